/**
 * Docker's default seccomp profile, as data: which system calls a container may make (moby profiles/seccomp, as of its
 * version of June 2026). What is not named fails with EPERM.
 */
import type { SeccompArg } from './spec-types.ts';

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

/** Always allowed. */
export const ALLOWED: readonly string[] = words(`
  accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
  clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
  clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
  epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64
  fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl
  fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64
  fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
  futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid
  geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid
  getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list
  getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr
  getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy
  io_getevents io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill
  landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link
  linkat listen listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat
  lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod
  mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
  mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv
  msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat
  openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll
  ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64
  pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg
  recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2
  restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
  rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
  sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min
  sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
  sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
  semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32
  setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid
  setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list
  setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl
  shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair
  splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs
  sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
  timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
  timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe
  utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
`);

/** Allowed as well where a condition holds; all given conditions must. */
export interface ConditionalCalls {
  names: readonly string[];
  /** The container has this capability. */
  capability?: string;
  /** The container lacks it. */
  withoutCapability?: string;
  /** The machine is one of these (Go's names, as in Docker's profiles). */
  arches?: readonly string[];
  notArches?: readonly string[];
  /** The kernel is at least `[major, minor]`. */
  minKernel?: readonly [number, number];
  /** Condition on an argument. */
  arg?: SeccompArg;
  /** Instead of being allowed, it fails with this errno. */
  errno?: number;
}

const equal = (value: number): SeccompArg => ({ index: 0, value, op: 'SCMP_CMP_EQ' });

const AF_ALG = 38;
const AF_NETLABEL = 39;
const AF_VSOCK = 40;

/** PER_LINUX, PER_LINUX32, each with UNAME26; the last one only asks. */
const PERSONALITIES = [0x0, 0x0008, 0x20000, 0x20008, 0xffffffff];

/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET: none may be set. */
const CLONE_NEW_NAMESPACES = 0x7e020000;
const noNamespaces = (index: number): SeccompArg => ({
  index,
  value: CLONE_NEW_NAMESPACES,
  valueTwo: 0,
  op: 'SCMP_CMP_MASKED_EQ',
});
const S390 = ['s390', 's390x'];
const ENOSYS = 38;

/** Allowed under conditions. */
export const CONDITIONAL: readonly ConditionalCalls[] = [
  // Before 4.8, ptrace could get around seccomp.
  { names: words('process_vm_readv process_vm_writev ptrace'), minKernel: [4, 8] },

  // All address families but AF_ALG and AF_VSOCK, which reaches the hypervisor whatever the network namespace.
  { names: ['socket'], arg: { index: 0, value: AF_ALG, op: 'SCMP_CMP_LT' } },
  { names: ['socket'], arg: equal(AF_NETLABEL) },
  { names: ['socket'], arg: { index: 0, value: AF_VSOCK, op: 'SCMP_CMP_GT' } },

  ...PERSONALITIES.map((value) => ({ names: ['personality'], arg: equal(value) })),

  { names: words('sync_file_range2 swapcontext'), arches: ['ppc64le'] },
  {
    names: words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),
    arches: ['arm', 'arm64'],
  },
  { names: ['arch_prctl'], arches: ['amd64', 'x32'] },
  { names: ['modify_ldt'], arches: ['amd64', 'x32', 'x86'] },
  { names: words('s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr'), arches: S390 },
  { names: ['riscv_flush_icache'], arches: ['riscv64'] },

  { names: ['open_by_handle_at'], capability: 'CAP_DAC_READ_SEARCH' },
  {
    names: words(`bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie
      lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree
      perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare`),
    capability: 'CAP_SYS_ADMIN',
  },
  {
    names: ['clone'],
    withoutCapability: 'CAP_SYS_ADMIN',
    notArches: S390,
    arg: noNamespaces(0),
  },
  // s390 has clone's first two parameters the other way round.
  { names: ['clone'], withoutCapability: 'CAP_SYS_ADMIN', arches: S390, arg: noNamespaces(1) },
  // Its flags are in memory, where seccomp cannot look; on ENOSYS the C library uses clone.
  { names: ['clone3'], withoutCapability: 'CAP_SYS_ADMIN', errno: ENOSYS },
  { names: ['reboot'], capability: 'CAP_SYS_BOOT' },
  { names: ['chroot'], capability: 'CAP_SYS_CHROOT' },
  { names: words('delete_module init_module finit_module'), capability: 'CAP_SYS_MODULE' },
  { names: ['acct'], capability: 'CAP_SYS_PACCT' },
  {
    names: words('kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace'),
    capability: 'CAP_SYS_PTRACE',
  },
  { names: words('iopl ioperm'), capability: 'CAP_SYS_RAWIO' },
  { names: words('settimeofday stime clock_settime clock_settime64'), capability: 'CAP_SYS_TIME' },
  { names: ['vhangup'], capability: 'CAP_SYS_TTY_CONFIG' },
  {
    names: words('get_mempolicy mbind set_mempolicy set_mempolicy_home_node'),
    capability: 'CAP_SYS_NICE',
  },
  { names: ['syslog'], capability: 'CAP_SYSLOG' },
  { names: ['bpf'], capability: 'CAP_BPF' },
  { names: ['perf_event_open'], capability: 'CAP_PERFMON' },
];

/** The architectures a 64-bit machine runs programs of, its own first. */
export const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  amd64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  mips64: ['SCMP_ARCH_MIPS64', 'SCMP_ARCH_MIPS', 'SCMP_ARCH_MIPS64N32'],
  mipsel64: ['SCMP_ARCH_MIPSEL64', 'SCMP_ARCH_MIPSEL', 'SCMP_ARCH_MIPSEL64N32'],
  s390x: ['SCMP_ARCH_S390X', 'SCMP_ARCH_S390'],
  riscv64: ['SCMP_ARCH_RISCV64'],
  loong64: ['SCMP_ARCH_LOONGARCH64'],
};
