// first: the first thing a program does in a box: it writes the clock (CLOCK_MONOTONIC, two longs) and ends.
//
// No C library, so that nothing of one is measured. With an argument it writes nothing: the cheapest program there is.
#if defined(__x86_64__)
enum { WRITE = 1, EXIT = 60, CLOCK_GETTIME = 228 };
static long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start: mov %rsp, %rdi\n call begin\n");
#elif defined(__aarch64__)
enum { WRITE = 64, EXIT = 93, CLOCK_GETTIME = 113 };
static long call(long number, long a, long b, long c) {
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
__asm__(".globl _start\n_start: mov x0, sp\n bl begin\n");
#endif

__attribute__((used)) void begin(const long *stack) {
    long now[2];
    if (stack[0] == 1) {
        call(CLOCK_GETTIME, 1, (long)now, 0);
        call(WRITE, 1, (long)now, sizeof now);
    }
    call(EXIT, 0, 0, 0);
    for (;;) {
    }
}
