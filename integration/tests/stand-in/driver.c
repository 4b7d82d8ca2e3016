// A stand-in for a GPU's driver library, so that `integration/gpu/check` can be tried where there is no GPU: it wants the
// driver's nodes, as the real one does, and adds two vectors itself.
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int usable(const char *path) {
    char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int good = read(fd, &byte, 1) == 1 && write(fd, "x", 1) == 1;
    close(fd);
    return good;
}

int cuInit(unsigned flags) {
    (void)flags;
    return usable("/dev/nvidiactl") ? 0 : 100;
}

int cuDeviceGetCount(int *count) {
    *count = usable("/dev/nvidia0");
    return 0;
}

int cuDeviceGet(int *device, int number) {
    *device = number;
    return number == 0 ? 0 : 101;
}

int cuDeviceGetName(char *name, int size, int device) {
    (void)device;
    strncpy(name, "Stand-in", (size_t)size);
    return 0;
}

int cuGetErrorName(int code, const char **word) {
    *word = code == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_UNKNOWN";
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
    (void)device;
    *context = (void *)1;
    return 0;
}

int cuCtxSetCurrent(void *context) { return context ? 0 : 201; }
int cuCtxSynchronize(void) { return 0; }

int cuMemAllocHost_v2(void **at, size_t size) {
    *at = malloc(size);
    return *at ? 0 : 2;
}

int cuModuleLoadData(void **module, const void *text) {
    *module = (void *)1;
    return strstr(text, ".entry add") ? 0 : 218;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
    *function = module;
    return strcmp(name, "add") == 0 ? 0 : 500;
}

int cuMemAlloc_v2(uint64_t *at, size_t size) {
    *at = (uint64_t)malloc(size);
    return *at ? 0 : 2;
}

int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size) {
    memcpy((void *)to, from, size);
    return 0;
}

int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t size) {
    memcpy(to, (const void *)from, size);
    return 0;
}

int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **arguments, void **extra) {
    (void)function, (void)y, (void)z, (void)by, (void)bz, (void)shared, (void)stream, (void)extra;
    const float *a = *(const float **)arguments[0], *b = *(const float **)arguments[1];
    float *c = *(float **)arguments[2];
    uint32_t count = *(uint32_t *)arguments[3];
    for (uint64_t i = 0; i < (uint64_t)x * bx && i < count; i++)
        c[i] = a[i] + b[i];
    return 0;
}
