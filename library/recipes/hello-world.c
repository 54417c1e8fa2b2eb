/*
 * hello-world: prints one text and ends. No C library: two system calls are all it needs, and so the image is
 * small enough to be pulled before a finger has left the key.
 */

static const char text[] =
    "\n"
    "Hello from a container run by Wharf.\n"
    "\n"
    "You see this text because, in the moment since you pressed enter,\n"
    "  - the client asked the engine for the image hello-world,\n"
    "  - the engine fetched it, checked every byte against its digest and unpacked it,\n"
    "  - a container was made of it: its own root, its own processes, its own network,\n"
    "  - this program ran inside, and its output came back to your terminal.\n"
    "\n"
    "So the whole way works. Something with a shell in it comes next:\n"
    "  wharf run -it busybox\n"
    "\n";

static long syscall3(long number, long a, long b, long c) {
#if defined(__x86_64__)
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
#else
#error "hello-world knows x86-64 and arm64"
#endif
}

#if defined(__x86_64__)
enum { SYS_WRITE = 1, SYS_EXIT = 60 };
#else
enum { SYS_WRITE = 64, SYS_EXIT = 93 };
#endif

__attribute__((noreturn)) void _start(void) {
  const char *at = text;
  long left = sizeof text - 1;
  while (left > 0) {
    long wrote = syscall3(SYS_WRITE, 1, (long)at, left);
    if (wrote <= 0) break;
    at += wrote;
    left -= wrote;
  }
  for (;;) syscall3(SYS_EXIT, left > 0, 0, 0);
}
