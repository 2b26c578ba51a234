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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

// unnamed PATH BYTES: the same after its name was removed, its descriptor having been away in a
// socket for a second.
static int unnamed(char** argv) {
  int pair[2];
  const int fd = open(argv[0], O_WRONLY | O_CREAT, 0644);
  unlink(argv[0]);
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  char byte = 'x';
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec data = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof(int));
  if (sendmsg(pair[0], &message, 0) != 1) return 4;
  close(fd);
  for (int i = 0; i < 15; ++i) {  // time, and reasons, to look what is open
    mkdir("away", 0755);
    rmdir("away");
    usleep(100000);
  }
  if (recvmsg(pair[1], &message, 0) != 1) return 4;
  int back;
  memcpy(&back, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
  write_slowly(back, atol(argv[1]));
  puts("done");
  return 0;
}

// files BYTES N: files of so many bytes each, until one is refused.
static int files(char** argv) {
  const long size = atol(argv[0]);
  for (int i = 0; i < atoi(argv[1]); ++i) {
    char name[32];
    snprintf(name, sizeof(name), "file%d", i);
    const int fd = open(name, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) {
      printf("%d files, then open %s\n", i, error_name());
      return 3;
    }
    write_slowly(fd, size);
    close(fd);
    usleep(30000);
  }
  puts("done");
  return 0;
}

// allocate PATH BYTES
static int allocate(char** argv) {
  const int fd = open(argv[0], O_WRONLY | O_CREAT, 0644);
  if (fallocate(fd, 0, 0, atol(argv[1])) == 0) {
    puts("done");
    return 0;
  }
  printf("fallocate %s\n", error_name());
  return 3;
}

// socket NAME: a UNIX socket.
static int unix_socket(char** argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[0]);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(fd, (const struct sockaddr*)&address, sizeof(address)) == 0) return 0;
  printf("bind %s\n", error_name());
  return 3;
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
  } kinds[] = {
      {"memory", 2, memory},      {"processes", 1, processes}, {"processor", 1, processor},
      {"share", 1, share},        {"output", 0, output},       {"file", 2, file},
      {"unnamed", 2, unnamed},    {"files", 2, files},         {"allocate", 2, allocate},
      {"raise", 0, raise_limits}, {"socket", 1, unix_socket},  {"descriptors", 0, descriptors}};
  alarm(120);
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); ++i) {
    if (argc == kinds[i].arguments + 2 && strcmp(argv[1], kinds[i].name) == 0) {
      return kinds[i].run(argv + 2);
    }
  }
  fprintf(stderr, "usage: resource_user KIND [ARGUMENTS]\n");
  return 2;
}
