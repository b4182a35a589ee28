#include "transcode/worker/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { MEMORY_GIB = 4, DESCRIPTORS = 64 };

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

/* Answered with EPERM, so that a library that only asks goes on without. */
static const uint32_t refused[] = {
    __NR_socket,
    __NR_connect,
    __NR_bind,
    __NR_listen,
    __NR_accept4,
    __NR_openat,
    __NR_execve,
    __NR_execveat,
    __NR_ptrace,
    __NR_unlinkat,
    __NR_mkdirat,
    __NR_linkat,
    __NR_setsid,
    __NR_mount,
    __NR_kill,
    __NR_bpf,
    __NR_keyctl,
    __NR_process_vm_readv,
    __NR_process_vm_writev,
#ifdef __NR_open
    __NR_open,
    __NR_creat,
    __NR_unlink,
    __NR_mkdir,
    __NR_rename,
    __NR_fork,
    __NR_vfork,
#endif
};
enum { REFUSED = sizeof refused / sizeof *refused };

static void limit(int what, rlim_t most)
{
    struct rlimit now;

    if (getrlimit(what, &now)) return;
    if (now.rlim_max > most) now.rlim_max = most;
    if (now.rlim_cur > most) now.rlim_cur = most;
    setrlimit(what, &now);
}

/* A sanitizer's shadow memory counts as address space, and it opens files. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void filter_calls(void)
{
#ifdef NATIVE_ARCH
    struct sock_filter code[REFUSED + 6];
    struct sock_fprog program = {.filter = code};
    int n = 0;

    code[n++] = (struct sock_filter)BPF_STMT(
        BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                             NATIVE_ARCH, 1, 0);
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                             offsetof(struct seccomp_data, nr));
    for (int i = 0; i < REFUSED; i++)
        code[n++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, refused[i], (uint8_t)(REFUSED - i), 0);
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(
        BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (EPERM & SECCOMP_RET_DATA));
    program.len = (unsigned short)n;
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
#endif
}

static void confine(void)
{
    limit(RLIMIT_AS, (rlim_t)MEMORY_GIB << 30);
    filter_calls();
}
#else
static void confine(void)
{
}
#endif

void sandbox_enter(bool hardware)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    if (hardware) return;
    limit(RLIMIT_NOFILE, DESCRIPTORS);
    confine();
}
