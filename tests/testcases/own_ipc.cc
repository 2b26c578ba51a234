// System V IPC between a process and its child, and what is left when both have
// ended: nothing, in a namespace of one's own. Prints what it saw.
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

constexpr key_t kKey = 0x5e550001;

bool Say(const char* what, long result) {
  printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
  return result >= 0;
}

int InChild(int (*act)(int), int id) {
  const pid_t child = fork();
  if (child == 0) _exit(act(id));
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

void SharedMemory() {
  const int id = shmget(kKey, 4096, IPC_CREAT | IPC_EXCL | 0600);
  if (!Say("shmget", id)) return;
  auto* number = static_cast<int*>(shmat(id, nullptr, 0));
  InChild(
      [](int) {
        auto* shared = static_cast<int*>(shmat(shmget(kKey, 0, 0), nullptr, 0));
        *shared = 4711;
        return 0;
      },
      id);
  printf("the child wrote %d\n", *number);
  Say("shmctl", shmctl(id, IPC_RMID, nullptr));
}
void Messages() {
  struct {
    long type = 1;
    char text[8] = "message";
  } message;
  const int id = msgget(IPC_PRIVATE, 0600);
  if (!Say("msgget", id)) return;
  Say("msgsnd", msgsnd(id, &message, sizeof(message.text), 0));
  printf("the child read %d\n", InChild(
                                    [](int queue) {
                                      char buffer[64];
                                      return static_cast<int>(msgrcv(queue, buffer, 32, 0, 0));
                                    },
                                    id));
  Say("msgctl", msgctl(id, IPC_RMID, nullptr));
}
void Semaphores() {
  const int id = semget(IPC_PRIVATE, 1, 0600);
  if (!Say("semget", id)) return;
  sembuf raise = {0, 1, 0};
  Say("semop", semop(id, &raise, 1));
  printf("value %d\n", semctl(id, 0, GETVAL));
  Say("semctl", semctl(id, 0, IPC_RMID));
}
}  // namespace

// With an argument: leaves everything behind.
int main(int argc, char**) {
  if (argc > 1) {
    Say("shmget", shmget(kKey, 4096, IPC_CREAT | IPC_EXCL | 0600));
    return 0;
  }
  SharedMemory();
  Messages();
  Semaphores();
  return 0;
}
