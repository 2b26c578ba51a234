#include "tests/testcases/hostile_session/bystander.h"

#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <thread>

namespace hostile {
namespace {

char secret[sizeof(kSecret)];

void Hit(int) { prctl(PR_SET_NAME, "hit"); }

void CatchSignals() {
  for (int number = 1; number < 32; ++number) {
    if (number == SIGTERM || number == SIGSEGV || number == SIGCHLD || number == SIGPIPE) continue;
    signal(number, Hit);
  }
}

// Each id is -1 where the machine or the session has no such thing.
int MakeSharedMemory(key_t key) {
  const int id = shmget(key, 4096, IPC_CREAT | 0600);
  void* memory = id < 0 ? reinterpret_cast<void*>(-1) : shmat(id, nullptr, 0);
  if (memory == reinterpret_cast<void*>(-1)) return -1;
  memcpy(memory, kSecret, sizeof(kSecret));
  return id;
}

int MakeMessage() {
  struct {
    long type = kMessageType;
    char text[sizeof(kSecret)];
  } message;
  memcpy(message.text, kSecret, sizeof(kSecret));
  const int id = msgget(IPC_PRIVATE, 0600);
  return id < 0 || msgsnd(id, &message, sizeof(message.text), 0) != 0 ? -1 : id;
}

std::string MakeQueue() {
  const std::string name = "/bystander-" + std::to_string(getpid());
  mq_attr attributes = {};
  attributes.mq_maxmsg = 2;
  attributes.mq_msgsize = sizeof(kSecret);
  const mqd_t queue = mq_open(name.c_str(), O_RDWR | O_CREAT, 0600, &attributes);
  if (queue < 0) return "";
  mq_send(queue, kSecret, sizeof(kSecret), 0);
  return name;
}

std::string ListenAbstract() {
  const std::string name = "bystander-" + std::to_string(getpid());
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path + 1, name.data(), name.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 8) != 0) return "";
  return name;
}

// A port of 127.0.0.1 on which it is to be reached; -1 where its session allows none.
int ListenOnLoopback(int type) {
  const int fd = socket(AF_INET, type, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd, raw, size) != 0 || (type == SOCK_STREAM && listen(fd, 64) != 0) ||
      getsockname(fd, raw, &size) != 0) {
    return -1;
  }
  return ntohs(address.sin_port);
}

void SendDescriptors(int connection, int directory, int file) {
  char data = 'x';
  iovec part = {&data, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(2 * sizeof(int));
  const int fds[] = {directory, file};
  memcpy(CMSG_DATA(header), fds, sizeof(fds));
  sendmsg(connection, &message, MSG_NOSIGNAL);
}

// The accomplice: whoever connects gets the vault's directory and its canary, opened for reading.
std::string ListenAsAccomplice(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof(address.sun_path), "%s", path.c_str());
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 || listen(fd, 8) != 0) {
    return "";
  }
  std::thread([fd] {
    const int directory = open(".", O_RDONLY | O_DIRECTORY);
    const int file = open("canary", O_RDONLY);
    for (int peer; (peer = accept(fd, nullptr, nullptr)) >= 0; close(peer)) {
      SendDescriptors(peer, directory, file);
    }
  }).detach();
  return path;
}

}  // namespace

void RunMate(int ready) {
  CatchSignals();
  prctl(PR_SET_NAME, "quiet");
  if (write(ready, "r", 1) != 1) _exit(1);
  for (;;) {
    pause();
    usleep(500000);
    prctl(PR_SET_NAME, "quiet");
  }
}

int RunBystander(const std::string& ready_file, const std::string& vault) {
  memcpy(secret, kSecret, sizeof(kSecret));
  CatchSignals();
  prctl(PR_SET_NAME, "quiet");
  if (chdir(vault.c_str()) != 0) perror("bystander: vault");
  const key_t key = 0x5e550000 + getpid() % 0x10000;
  const int fd = open("canary", O_RDONLY);
  FILE* ready = fopen((ready_file + ".new").c_str(), "w");
  if (ready == nullptr) return 1;
  fprintf(ready, "pid=%d\nsecret=%p\nfd=%d\nshm=%d\nshm_key=%d\nmsg=%d\nsem=%d\nmq=%s\n", getpid(),
          static_cast<void*>(secret), fd, MakeSharedMemory(key), key, MakeMessage(),
          semget(IPC_PRIVATE, 1, 0600), MakeQueue().c_str());
  fprintf(ready, "abstract=%s\naccomplice=%s\ntcp=%d\nudp=%d\n", ListenAbstract().c_str(),
          ListenAsAccomplice(ready_file + ".socket").c_str(), ListenOnLoopback(SOCK_STREAM),
          ListenOnLoopback(SOCK_DGRAM));
  fclose(ready);
  if (rename((ready_file + ".new").c_str(), ready_file.c_str()) != 0) return 1;
  for (;;) pause();
}

}  // namespace hostile
