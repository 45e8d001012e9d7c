/* The neighbour: thrashes caches, in bursts of a fixed length.

   neighbour BYTES BURST_US PERIOD_US

   Once in each period, it reads and writes the pages of an array of BYTES in pseudo-random order, until the burst is over.
   It does the same whatever else runs, and does not make up for bursts that it missed. */

#include "wire.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define LINE 64
#define PAGE 4096

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
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
    for (;;) {
        uint64_t started = now_ns(), next = started + period;
        while (now_ns() < started + burst)
            touch_page(array + next_random() % pages * PAGE);
        struct timespec wake = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
    }
}
