/* The load generator: calls on keep-alive connections, one at a time on each, for some seconds.

   load PORT CONNECTIONS SECONDS REQUEST_FILE FIRST_ID

   REQUEST_FILE holds a whole POST whose JSON-RPC id is ID_DIGITS zeros, which are replaced by a new id in each call. When
   the time is over, no more calls are sent and open ones are completed: only complete responses are counted. A response
   must have status 200 and the id of the call. Prints one line of JSON. */

#include "wire.h"

#define ID_DIGITS 9
#define ID_PLACEHOLDER "\"id\":000000000"
#define HEAD_BOUND 16384
#define BUFFER_SIZE 262144

enum phase { IN_HEAD, IN_LENGTH, IN_CHUNK_SIZE, IN_CHUNK, IN_CHUNK_END, DONE };

struct connection {
    int fd;
    char *request;
    uint64_t started, first_byte;
    enum phase phase;
    char head[HEAD_BOUND + 1];
    size_t head_size;
    char chunk_line[32];
    size_t chunk_line_size, left, body_size;
    int has_id;
};

static size_t request_size, id_offset;
static uint64_t next_id;
static uint32_t *latencies, *first_bytes;
static size_t answered, capacity, failed;
static uint64_t body_bytes;

static void start_call(struct connection *connection)
{
    char digits[ID_DIGITS + 1];
    snprintf(digits, sizeof digits, "%0*llu", ID_DIGITS, (unsigned long long)next_id++);
    memcpy(connection->request + id_offset, digits, ID_DIGITS);
    connection->phase = IN_HEAD;
    connection->head_size = connection->chunk_line_size = connection->left = connection->body_size = 0;
    connection->first_byte = 0;
    connection->has_id = 0;
    connection->started = now_ns();
    must(send(connection->fd, connection->request, request_size, MSG_NOSIGNAL) == (ssize_t)request_size,
         "a request could not be sent in one write");
}

static uint32_t bounded(uint64_t ns)
{
    return ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static void end_call(struct connection *connection)
{
    if (!connection->has_id) {
        failed++;
        return;
    }
    if (answered == capacity) {
        capacity = capacity ? capacity * 2 : 65536;
        latencies = realloc(latencies, capacity * sizeof *latencies);
        first_bytes = realloc(first_bytes, capacity * sizeof *first_bytes);
        must(latencies && first_bytes, "out of memory");
    }
    body_bytes += connection->body_size;
    latencies[answered] = bounded(now_ns() - connection->started);
    first_bytes[answered++] = bounded(connection->first_byte - connection->started);
}

static void add_body(struct connection *connection, const char *bytes, size_t size)
{
    if (!connection->body_size && size)
        connection->first_byte = now_ns();
    if (!connection->has_id)
        connection->has_id = memmem(bytes, size, connection->request + id_offset - strlen("\"id\":"),
                                    strlen("\"id\":") + ID_DIGITS) != NULL;
    connection->body_size += size;
}

static size_t parse_head(struct connection *connection, const char *bytes, size_t size)
{
    size_t before = connection->head_size;
    size_t taken = size < HEAD_BOUND - before ? size : HEAD_BOUND - before;
    memcpy(connection->head + before, bytes, taken);
    connection->head_size += taken;
    connection->head[connection->head_size] = 0;
    char *end = strstr(connection->head, "\r\n\r\n");
    if (!end) {
        must(connection->head_size < HEAD_BOUND, "a response head is too long");
        return taken;
    }
    if (strncmp(connection->head, "HTTP/1.1 200 ", 13) != 0) {
        fprintf(stderr, "a response has another status than 200:\n%.400s\n", connection->head);
        exit(1);
    }
    end[2] = 0;
    const char *length = field(connection->head, "content-length");
    connection->left = length ? strtoul(length, NULL, 10) : 0;
    connection->phase = length ? (connection->left ? IN_LENGTH : DONE) : IN_CHUNK_SIZE;
    must(length || field(connection->head, "transfer-encoding"), "a response has neither Content-Length nor chunked encoding");
    return (size_t)(end + 4 - connection->head) - before;
}

static size_t parse_body(struct connection *connection, const char *bytes, size_t size)
{
    size_t taken = size < connection->left ? size : connection->left;
    add_body(connection, bytes, taken);
    connection->left -= taken;
    if (!connection->left)
        connection->phase = connection->phase == IN_LENGTH ? DONE : IN_CHUNK_END;
    return taken;
}

/* Parses a line of the chunked encoding: the size of a chunk, the end of its data, or the last empty line. */
static size_t parse_chunk_line(struct connection *connection, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        must(connection->chunk_line_size < sizeof connection->chunk_line - 1, "a chunk header is too long");
        connection->chunk_line[connection->chunk_line_size++] = bytes[i];
        if (bytes[i] != '\n')
            continue;
        connection->chunk_line[connection->chunk_line_size] = 0;
        connection->chunk_line_size = 0;
        if (connection->phase == IN_CHUNK_END) {
            connection->phase = connection->left == SIZE_MAX ? DONE : IN_CHUNK_SIZE;
        } else {
            connection->left = strtoul(connection->chunk_line, NULL, 16);
            connection->phase = connection->left ? IN_CHUNK : IN_CHUNK_END;
            if (!connection->left)
                connection->left = SIZE_MAX;
        }
        return i + 1;
    }
    return size;
}

static void parse(struct connection *connection, const char *bytes, size_t size)
{
    while (size) {
        size_t taken = 0;
        must(connection->phase != DONE, "data was received after the end of a response");
        if (connection->phase == IN_HEAD)
            taken = parse_head(connection, bytes, size);
        else if (connection->phase == IN_LENGTH || connection->phase == IN_CHUNK)
            taken = parse_body(connection, bytes, size);
        else
            taken = parse_chunk_line(connection, bytes, size);
        bytes += taken;
        size -= taken;
    }
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void print_quantiles(const char *name, uint32_t *values)
{
    qsort(values, answered, sizeof *values, by_size);
    printf(", \"%s\": {\"p10\": %.1f, \"median\": %.1f, \"p99\": %.1f, \"max\": %.1f}", name, values[answered / 10] / 1e3,
           values[answered / 2] / 1e3, values[answered * 99 / 100] / 1e3, values[answered - 1] / 1e3);
}

int main(int argc, char **argv)
{
    static char buffer[BUFFER_SIZE];
    must(argc == 6, "usage: load PORT CONNECTIONS SECONDS REQUEST_FILE FIRST_ID");
    int count = atoi(argv[2]);
    char *request = read_file(argv[4], &request_size);
    char *place = strstr(request, ID_PLACEHOLDER);
    must(place != NULL, "the request has no placeholder for an id");
    id_offset = (size_t)(place - request) + strlen("\"id\":");
    next_id = strtoull(argv[5], NULL, 10);
    struct sockaddr_in address = loopback(argv[1]);
    int epoll = epoll_create1(0);
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    must(connections != NULL, "out of memory");
    for (int i = 0; i < count; i++) {
        struct connection *connection = &connections[i];
        connection->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(connection->fd, (struct sockaddr *)&address, sizeof address))
            die("connect");
        configure_socket(connection->fd);
        connection->request = malloc(request_size);
        must(connection->request != NULL, "out of memory");
        memcpy(connection->request, request, request_size);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event);
    }
    uint64_t started = now_ns(), end = started + (uint64_t)(atof(argv[3]) * 1e9);
    for (int i = 0; i < count; i++)
        start_call(&connections[i]);
    int open = count;
    while (open) {
        struct epoll_event events[128];
        int ready = epoll_wait(epoll, events, 128, 30000);
        must(ready > 0, "no response for 30 s");
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            ssize_t received = recv(connection->fd, buffer, sizeof buffer, 0);
            if (received < 0 && errno == EAGAIN)
                continue;
            must(received > 0, "a connection was closed");
            parse(connection, buffer, (size_t)received);
            if (connection->phase != DONE)
                continue;
            end_call(connection);
            if (now_ns() < end)
                start_call(connection);
            else
                open--;
        }
    }
    double seconds = (double)(now_ns() - started) / 1e9;
    must(answered > 0, "no response had the id of its call");
    printf("{\"answered\": %zu, \"failed\": %zu, \"seconds\": %.6f, \"body_bytes\": %.1f", answered, failed, seconds,
           (double)body_bytes / (double)answered);
    print_quantiles("latency_us", latencies);
    print_quantiles("first_byte_us", first_bytes);
    printf("}\n");
    return 0;
}
