/* Makes system calls that a sandbox refuses and prints for each its name and the error number (0: it went through, or the signal as "signal N").
   Arguments: NAME=NUMBER of calls to make with six times -1, which no kernel can carry out; then what depends on arguments is tried. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#define TIOCLINUX_NUMBER 0x541C

static void say(const char *name, long result) {
    printf("%s %d\n", name, result < 0 ? errno : 0);
    fflush(stdout);
}

static void say_socket(const char *name, long descriptor) {
    say(name, descriptor);
    if (descriptor >= 0) close((int)descriptor);
}

static void clone_with(const char *name, unsigned long flag) {
    long child = syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    say(name, child);
    if (child > 0) waitpid((pid_t)child, NULL, 0);
}

/* In a child, which the filter may kill. */
static void foreign(const char *name, void (*call)(void)) {
    pid_t child = fork();
    int status;
    if (child == 0) { call(); _exit(0); }
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) printf("%s signal %d\n", name, WTERMSIG(status));
    else printf("%s 0\n", name);
    fflush(stdout);
}

#if defined(__x86_64__)
static void call_i386(void) {
    long number = 20; /* getpid */
    __asm__ volatile("int $0x80" : "+a"(number) : : "memory");
}

static void call_x32(void) { syscall(0x40000000 | SYS_getpid); }
#endif

int main(int count, char **arguments) {
    for (int i = 1; i < count; i++) {
        char *number = strchr(arguments[i], '=');
        *number = 0;
        say(arguments[i], syscall(atol(number + 1), -1L, -1L, -1L, -1L, -1L, -1L));
    }

    clone_with("clone-newns", CLONE_NEWNS);
    clone_with("clone-newcgroup", CLONE_NEWCGROUP);
    clone_with("clone-newuts", CLONE_NEWUTS);
    clone_with("clone-newipc", CLONE_NEWIPC);
    clone_with("clone-newuser", CLONE_NEWUSER);
    clone_with("clone-newpid", CLONE_NEWPID);
    clone_with("clone-newnet", CLONE_NEWNET);
    say("clone3", syscall(SYS_clone3, -1L, -1L));
    say("ioctl-tiocsti", ioctl(0, TIOCSTI, "x"));
    say("ioctl-tiocsti-high-bits", syscall(SYS_ioctl, 0, 0x100000000L | TIOCSTI, "x"));
    say("ioctl-tioclinux", ioctl(0, TIOCLINUX_NUMBER, "x"));

    for (int family = 0; family < 60; family++) {
        char name[32];
        int pair[2];
        snprintf(name, sizeof name, "socket-%d", family);
        say_socket(name, socket(family, SOCK_DGRAM, 0));
        snprintf(name, sizeof name, "socketpair-%d", family);
        say(name, socketpair(family, SOCK_DGRAM, 0, pair));
    }
    say_socket("socket-negative", syscall(SYS_socket, -1L, (long)SOCK_DGRAM, 0L));
    say_socket("socket-packet-high-bits", syscall(SYS_socket, 0x100000000L | AF_PACKET, (long)SOCK_DGRAM, 0L));
    say_socket("netlink-netfilter", socket(AF_NETLINK, SOCK_RAW, 12));
    say_socket("inet-sctp", socket(AF_INET, SOCK_STREAM, 132));
    say_socket("inet-dccp", socket(AF_INET, 6, 33));
    say_socket("inet-raw", socket(AF_INET, SOCK_RAW, 1));

    /* What must go through. */
    clone_with("allowed-clone", 0);
    say_socket("allowed-tcp", socket(AF_INET, SOCK_STREAM, 0));
    say_socket("allowed-tcp6", socket(AF_INET6, SOCK_STREAM, 0));
    say_socket("allowed-unix", socket(AF_UNIX, SOCK_STREAM, 0));
    say_socket("allowed-netlink-route", socket(AF_NETLINK, SOCK_RAW, 0));

#if defined(__x86_64__)
    foreign("abi-i386", call_i386);
    foreign("abi-x32", call_x32);
#endif
    return 0;
}
