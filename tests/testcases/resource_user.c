// Uses up one kind of resource, as far as it is let: resource_user KIND [ARGUMENTS]. Ends by itself
// after two minutes or at the ceiling that it was given, whatever anybody's limits are.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char* error_name(void) { return strerrorname_np(errno); }

static void use_memory(size_t size) {
  char* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    printf("mmap %s\n", error_name());
    exit(3);
  }
  for (size_t at = 0; at < size; at += 4096) memory[at] = 1;
}

// memory BYTES CHILDREN: each takes that much and keeps it.
static int memory(char** argv) {
  const size_t size = strtoul(argv[0], NULL, 10);
  for (int i = atoi(argv[1]); i > 0; --i) {
    if (fork() == 0) {
      alarm(120);
      use_memory(size);
      for (;;) pause();
    }
  }
  if (atoi(argv[1]) == 0) use_memory(size);
  while (wait(NULL) > 0) {
  }
  puts("done");
  return 0;
}

// processes N: each in a session of its own, below nobody that waits for it.
static int processes(char** argv) {
  for (int i = atoi(argv[0]); i > 0; --i) {
    const pid_t child = fork();
    if (child < 0) {
      printf("fork %s\n", error_name());
      return 3;
    }
    if (child == 0) {
      setsid();
      if (fork() != 0) _exit(0);
      alarm(120);
      for (;;) pause();
    }
    waitpid(child, NULL, 0);
  }
  puts("done");
  fflush(stdout);
  sleep(2);
  return 0;
}

// processor N: so many daemons, and this one, compute.
static int processor(char** argv) {
  for (int i = atoi(argv[0]); i > 0; --i) {
    if (fork() == 0) {
      setsid();
      if (fork() != 0) _exit(0);
      alarm(120);
      for (;;) {
      }
    }
  }
  for (;;) {
  }
}

// share SECONDS: computes for that long, and tells what part of one processor it was given.
static int share(char** argv) {
  struct timespec now, start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec - start.tv_sec < atoi(argv[0]));
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  printf("%.3f\n",
         ((double)used.tv_sec + (double)used.tv_nsec / 1e9) /
             ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9));
  return 0;
}

// output: lines without end.
static int output(char** argv) {
  (void)argv;
  char line[100];
  memset(line, 'x', sizeof(line));
  line[sizeof(line) - 1] = '\n';
  while (write(1, line, sizeof(line)) > 0) {
  }
  return 3;
}

static void write_slowly(int fd, long bytes) {
  static char block[65536];
  const struct timespec rest = {0, 2000000};
  while (bytes > 0) {
    if (write(fd, block, sizeof(block)) < 0) {
      printf("write %s\n", error_name());
      exit(3);
    }
    bytes -= (long)sizeof(block);
    nanosleep(&rest, NULL);
  }
}

// file PATH BYTES: one file, written at 32 MB a second at most.
static int file(char** argv) {
  signal(SIGXFSZ, SIG_IGN);
  write_slowly(open(argv[0], O_WRONLY | O_CREAT | O_APPEND, 0644), atol(argv[1]));
  puts("done");
  return 0;
}

// descriptors
static int descriptors(char** argv) {
  (void)argv;
  int last = -1;
  for (int fd; (fd = dup(0)) >= 0;) last = fd;
  const int error = errno;
  close(last);
  errno = error;
  printf("%d descriptors, then %s\n", last + 1, error_name());
  return 0;
}

// raise: tries to lift every limit of its own.
static int raise_limits(char** argv) {
  (void)argv;
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    struct rlimit limit;
    getrlimit(resource, &limit);
    if (limit.rlim_max == RLIM_INFINITY) continue;
    ++limit.rlim_max;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(resource, &limit) == 0) printf("raised %d\n", resource);
  }
  puts("done");
  return 0;
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    int arguments;
    int (*run)(char**);
  } kinds[] = {{"memory", 2, memory},       {"processes", 1, processes},
               {"processor", 1, processor}, {"share", 1, share},
               {"output", 0, output},       {"file", 2, file},
               {"raise", 0, raise_limits},  {"descriptors", 0, descriptors}};
  alarm(120);
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); ++i) {
    if (argc == kinds[i].arguments + 2 && strcmp(argv[1], kinds[i].name) == 0) {
      return kinds[i].run(argv + 2);
    }
  }
  fprintf(stderr, "usage: resource_user KIND [ARGUMENTS]\n");
  return 2;
}
