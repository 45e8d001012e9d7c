/* The neighbour: thrashes caches, in bursts of a fixed length.

   neighbour BYTES BURST_US PERIOD_US

   Once in each period, it reads and writes pages of an array of BYTES in pseudo-random order, until it has used the CPU time
   of a burst. So each burst evicts as much as every other one, also if the process has to wait for the core. */

#include "wire.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define LINE 64
#define PAGE 4096
/* Pages between two readings of the clock. */
#define PAGES 4

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* Reads and writes each line of a page: whole pages, because the processor then fetches lines ahead, and more are evicted. */
static void touch_page(char *page)
{
    for (int i = 0; i < PAGE; i += LINE)
        ++page[i];
}

int main(int argc, char **argv)
{
    must(argc == 4, "usage: neighbour BYTES BURST_US PERIOD_US");
    size_t pages = strtoul(argv[1], NULL, 10) / PAGE;
    uint64_t burst = strtoul(argv[2], NULL, 10) * 1000u, period = strtoul(argv[3], NULL, 10) * 1000u;
    char *array = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    must(array != MAP_FAILED, "out of memory");
    prctl(PR_SET_TIMERSLACK, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint64_t next = now_ns();; next += period) {
        uint64_t used = cpu_ns();
        while (cpu_ns() < used + burst)
            for (int i = 0; i < PAGES; i++)
                touch_page(array + next_random() % pages * PAGE);
        /* A period that is over is not made up for, for example after a stop. */
        if (next + period < now_ns())
            next = now_ns() - period;
        uint64_t due = next + period;
        struct timespec wake = {.tv_sec = (time_t)(due / 1000000000u), .tv_nsec = (long)(due % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
    }
}
