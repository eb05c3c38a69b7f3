/* Preloaded into a server: each wait for the disk takes longer, by the milliseconds in the file $SLOW_DISK. When the
   file gets a smaller number, waits that have begun end sooner too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STEP_MS 20

static int delay_ms(void) {
    const char *name = getenv("SLOW_DISK");
    FILE *file = name ? fopen(name, "r") : NULL;
    int ms = 0;
    if (file) {
        if (fscanf(file, "%d", &ms) != 1) ms = 0;
        fclose(file);
    }
    return ms;
}

static void wait_longer(void) {
    for (int waited = 0; waited < delay_ms(); waited += STEP_MS) usleep(STEP_MS * 1000);
}

int fsync(int descriptor) {
    wait_longer();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(descriptor);
}

int fdatasync(int descriptor) {
    wait_longer();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(descriptor);
}
