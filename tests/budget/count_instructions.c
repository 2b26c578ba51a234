// Counts the instructions that a program executes in user space, in all its threads, from the
// moment at which it raises SIGUSR1, by stepping through them (ptrace(2)). Processes that it forks
// run on unwatched. Debian 12's valgrind would do it faster, and knows neither openat2 nor
// pidfd_open.
//
//   count_instructions PROGRAM ARGUMENT...
//
// Prints the number on standard error, as its last line; ends as PROGRAM has ended.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kMostThreads = 1024 };

static pid_t threads[kMostThreads];
static size_t thread_count;

static void Fail(const char* what) {
  perror(what);
  exit(3);
}

static void Forget(pid_t thread) {
  for (size_t i = 0; i < thread_count; ++i) {
    if (threads[i] == thread) threads[i] = threads[--thread_count];
  }
}

static void Remember(pid_t thread) {
  Forget(thread);
  if (thread_count == kMostThreads) Fail("too many threads");
  threads[thread_count++] = thread;
}

// It may have been killed meanwhile: waitpid tells.
static void Resume(pid_t thread, int stepping, int signal) {
  ptrace(stepping ? PTRACE_SINGLESTEP : PTRACE_CONT, thread, NULL, (void*)(long)signal);
}

static pid_t Start(char** argv) {
  const pid_t child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    execv(argv[0], argv);
    Fail(argv[0]);
  }
  if (child < 0 || waitpid(child, NULL, WUNTRACED) != child) Fail("fork");
  if (ptrace(PTRACE_SEIZE, child, NULL, (void*)(PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)) != 0)
    Fail("PTRACE_SEIZE");
  kill(child, SIGCONT);
  return child;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const pid_t program = Start(argv + 1);
  Remember(program);
  unsigned long count = 0;
  int stepping = 0;
  for (;;) {
    int status = 0;
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) Fail("waitpid");
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      Forget(thread);
      if (thread != program) continue;
      fprintf(stderr, "%lu\n", count);
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    const int signal = WSTOPSIG(status);
    const int event = status >> 16;
    Remember(thread);
    if (event == 0 && signal == SIGUSR1 && !stepping) {
      stepping = 1;
      for (size_t i = 0; i < thread_count; ++i) {
        if (threads[i] != thread) ptrace(PTRACE_INTERRUPT, threads[i], NULL, NULL);
      }
      Resume(thread, stepping, 0);
    } else if (event != 0) {
      Resume(thread, stepping, 0);
    } else {
      count += signal == SIGTRAP;
      Resume(thread, stepping, signal == SIGTRAP ? 0 : signal);
    }
  }
}
