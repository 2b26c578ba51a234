// Becomes somebody else, where it may, and tries what only that user could do outside.
//   changed_identity show                      who this is, and its capabilities
//   changed_identity UID STEP ARG [STEP ARG]…  becomes UID (and that group), then:
//     read PATH     the file's first bytes
//     write PATH    opens it for writing
//     readlink PATH
//     signal PID    whether it may be signalled
//     show .        as above
// One line a step: "STEP ARG: OK TEXT" or the errno's name.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void Report(const char* step, const char* argument, int failed, const char* text) {
  if (failed) {
    printf("%s %s: %s\n", step, argument, strerrorname_np(errno));
  } else {
    printf("%s %s: OK %s\n", step, argument, text);
  }
  fflush(stdout);
}

static void Show(void) {
  char line[256];
  printf("euid %u egid %u", geteuid(), getegid());
  FILE* status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
    if (strncmp(line, "CapEff:\t", 8) == 0)
      printf(" capabilities %llx", strtoull(line + 8, NULL, 16));
  }
  if (status != NULL) fclose(status);
  printf("\n");
}

static void Read(const char* path) {
  char text[64] = "";
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
  Report("read", path, size < 0, text);
  if (fd >= 0) close(fd);
}

static void Write(const char* path) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  Report("write", path, fd < 0, "");
  if (fd >= 0) close(fd);
}

static void ReadLink(const char* path) {
  char text[256] = "";
  Report("readlink", path, readlink(path, text, sizeof(text) - 1) < 0, text);
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "show") == 0) {
    Show();
    return 0;
  }
  if (argc < 4) return 2;
  const uid_t uid = (uid_t)atoi(argv[1]);
  const int changed =
      setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0;
  Report("become", argv[1], !changed, "");
  for (int i = 2; i + 1 < argc; i += 2) {
    const char* step = argv[i];
    const char* argument = argv[i + 1];
    if (strcmp(step, "read") == 0) Read(argument);
    if (strcmp(step, "write") == 0) Write(argument);
    if (strcmp(step, "readlink") == 0) ReadLink(argument);
    if (strcmp(step, "signal") == 0) Report(step, argument, kill(atoi(argument), 0) != 0, "");
    if (strcmp(step, "show") == 0) Show();
  }
  return 0;
}
