/* The MCP server of the benchmark: responds to each tools/call with a prepared result and the id of the call.

   upstream PORT FOLDER TOOL...

   The response consists of the files FOLDER/TOOL.before and FOLDER/TOOL.after with the id of the call between them. If the
   tool's name ends in "sse", it is a chunked event stream, like that of the Python SDK; otherwise it has a Content-Length.
   If there is a file FOLDER/TOOL.first, it is sent immediately, and the result PAUSE_NS later. A GET opens an idle event
   stream. The server does nothing else, so that it is never the bottleneck. */

#include "wire.h"

#define REQUEST_BOUND 16384
#define PAUSE_NS 5000000u
#define TOOLS 32

struct tool {
    const char *name;
    char *first, *before, *after;
    size_t first_size, before_size, after_size;
    int is_stream;
};

struct connection {
    int fd, is_writing, is_pausing;
    size_t received;
    char request[REQUEST_BOUND + 1];
    const struct tool *tool;
    char head[512], id[32];
    struct iovec parts[5];
    int next_part, part_count;
    uint64_t due;
    struct connection *next_pausing;
};

static struct tool tools[TOOLS];
static int tool_count, epoll;
static struct connection *pausing_first, **pausing_last = &pausing_first;

static const char STREAM_HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n"
                                  "x-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n";

static void load_tool(const char *folder, const char *name)
{
    char path[4096];
    struct tool *tool = &tools[tool_count++];
    tool->name = name;
    size_t length = strlen(name);
    tool->is_stream = length > 3 && strcmp(name + length - 3, "sse") == 0;
    snprintf(path, sizeof path, "%s/%s.before", folder, name);
    tool->before = read_file(path, &tool->before_size);
    snprintf(path, sizeof path, "%s/%s.after", folder, name);
    tool->after = read_file(path, &tool->after_size);
    snprintf(path, sizeof path, "%s/%s.first", folder, name);
    if (access(path, R_OK) == 0)
        tool->first = read_file(path, &tool->first_size);
}

static void watch(struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    epoll_ctl(epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

/* Sends the remaining parts. Returns 0 if the connection is closed. */
static int send_parts(struct connection *connection)
{
    while (connection->next_part < connection->part_count) {
        struct iovec *part = &connection->parts[connection->next_part];
        ssize_t sent = writev(connection->fd, part, connection->part_count - connection->next_part);
        if (sent < 0 && errno == EAGAIN) {
            if (!connection->is_writing)
                watch(connection, EPOLLOUT);
            connection->is_writing = 1;
            return 1;
        }
        if (sent < 0)
            return 0;
        for (size_t left = (size_t)sent; connection->next_part < connection->part_count; part++) {
            size_t taken = left < part->iov_len ? left : part->iov_len;
            part->iov_base = (char *)part->iov_base + taken;
            part->iov_len -= taken;
            left -= taken;
            if (part->iov_len)
                break;
            connection->next_part++;
        }
    }
    if (connection->is_writing)
        watch(connection, EPOLLIN);
    connection->is_writing = 0;
    return 1;
}

static void add_part(struct connection *connection, const char *bytes, size_t size)
{
    if (size)
        connection->parts[connection->part_count++] = (struct iovec){(char *)bytes, size};
}

static int send_result(struct connection *connection, int with_head)
{
    const struct tool *tool = connection->tool;
    size_t id_size = strlen(connection->id);
    size_t size = tool->before_size + id_size + tool->after_size;
    int head_size;
    if (tool->is_stream)
        head_size = snprintf(connection->head, sizeof connection->head, "%s%zx\r\n", with_head ? STREAM_HEAD : "", size);
    else
        head_size = snprintf(connection->head, sizeof connection->head,
                             "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n", size);
    connection->next_part = connection->part_count = 0;
    add_part(connection, connection->head, (size_t)head_size);
    add_part(connection, tool->before, tool->before_size);
    add_part(connection, connection->id, id_size);
    add_part(connection, tool->after, tool->after_size);
    if (tool->is_stream)
        add_part(connection, "\r\n0\r\n\r\n", 7);
    return send_parts(connection);
}

static int send_first(struct connection *connection)
{
    const struct tool *tool = connection->tool;
    int head_size =
        snprintf(connection->head, sizeof connection->head, "%s%zx\r\n", STREAM_HEAD, tool->first_size);
    connection->next_part = connection->part_count = 0;
    add_part(connection, connection->head, (size_t)head_size);
    add_part(connection, tool->first, tool->first_size);
    add_part(connection, "\r\n", 2);
    connection->is_pausing = 1;
    connection->due = now_ns() + PAUSE_NS;
    connection->next_pausing = NULL;
    *pausing_last = connection;
    pausing_last = &connection->next_pausing;
    return send_parts(connection);
}

static int send_head(struct connection *connection, const char *head)
{
    connection->next_part = connection->part_count = 0;
    add_part(connection, head, strlen(head));
    return send_parts(connection);
}

static int respond(struct connection *connection, const char *body)
{
    const char *id = strstr(body, "\"id\":");
    const char *name = strstr(body, "\"name\":\"");
    connection->tool = NULL;
    if (id && name) {
        id += strlen("\"id\":");
        name += strlen("\"name\":\"");
        snprintf(connection->id, sizeof connection->id, "%.*s", (int)strcspn(id, ",}"), id);
        for (int i = 0; i < tool_count; i++)
            if (strncmp(name, tools[i].name, strlen(tools[i].name)) == 0 && name[strlen(tools[i].name)] == '"')
                connection->tool = &tools[i];
    }
    if (!connection->tool)
        return send_head(connection, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    return connection->tool->first ? send_first(connection) : send_result(connection, 1);
}

/* Responds to the received request if it is complete. Returns 0 if the connection must be closed. */
static int on_data(struct connection *connection)
{
    connection->request[connection->received] = 0;
    char *end = strstr(connection->request, "\r\n\r\n");
    if (!end)
        return connection->received < REQUEST_BOUND;
    if (strncmp(connection->request, "GET ", 4) == 0) {
        connection->received = 0;
        return send_head(connection, STREAM_HEAD);
    }
    const char *length = field(connection->request, "content-length");
    size_t size = (size_t)(end - connection->request) + 4 + (length ? strtoul(length, NULL, 10) : 0);
    if (connection->received < size)
        return size <= REQUEST_BOUND;
    connection->received = 0;
    return respond(connection, end + 4);
}

static int on_readable(struct connection *connection)
{
    ssize_t size = recv(connection->fd, connection->request + connection->received,
                       REQUEST_BOUND - connection->received, 0);
    if (size < 0)
        return errno == EAGAIN;
    if (size == 0)
        return 0;
    connection->received += (size_t)size;
    return on_data(connection);
}

static void accept_all(int listener)
{
    int fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        configure_socket(fd);
        struct connection *connection = calloc(1, sizeof *connection);
        must(connection != NULL, "out of memory");
        connection->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static void close_connection(struct connection *connection)
{
    close(connection->fd);
    connection->fd = -1;
    if (!connection->is_pausing)
        free(connection);
}

/* Sends the results whose pause has ended; returns the milliseconds until the next pause ends, or -1. */
static int resume_paused(void)
{
    uint64_t now = now_ns();
    while (pausing_first && pausing_first->due <= now) {
        struct connection *connection = pausing_first;
        pausing_first = connection->next_pausing;
        if (!pausing_first)
            pausing_last = &pausing_first;
        connection->is_pausing = 0;
        if (connection->fd < 0)
            free(connection);
        else if (!send_result(connection, 0))
            close_connection(connection);
    }
    return pausing_first ? (int)((pausing_first->due - now) / 1000000u) + 1 : -1;
}

int main(int argc, char **argv)
{
    must(argc > 3 && argc <= TOOLS + 3, "usage: upstream PORT FOLDER TOOL...");
    for (int i = 3; i < argc; i++)
        load_tool(argv[2], argv[i]);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = loopback(argv[1]);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096))
        die("listen");
    fcntl(listener, F_SETFL, O_NONBLOCK);
    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[128];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, 128, resume_paused());
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!connection)
                accept_all(listener);
            else if (!(connection->is_writing ? send_parts(connection) : on_readable(connection)))
                close_connection(connection);
        }
    }
}
