// A process whose first thread has ended while another one runs: /proc/PID/stat calls it a zombie,
// and it lives. Writes its id into the file FILE, whole, before that.
//
//   leaderless FILE
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static void* RunOn(void* unused) {
  (void)unused;
  for (;;) pause();
  return NULL;
}

int main(int argc, char** argv) {
  pthread_t thread;
  if (argc != 2 || pthread_create(&thread, NULL, RunOn, NULL) != 0) return 2;
  char whole[4096];
  snprintf(whole, sizeof(whole), "%s.new", argv[1]);
  FILE* file = fopen(whole, "w");
  if (file == NULL || fprintf(file, "%d\n", (int)getpid()) < 0 || fclose(file) != 0) return 2;
  if (rename(whole, argv[1]) != 0) return 2;
  syscall(SYS_exit, 0);  // this thread alone
  return 2;
}
