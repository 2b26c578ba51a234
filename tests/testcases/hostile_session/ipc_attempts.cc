// Against objects that have no file: System V IPC, message queues, shared memory, abstract sockets,
// keys. What a bystander made, and what it would find of ours.
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <fstream>

#include "tests/testcases/hostile_session/bystander.h"
#include "tests/testcases/hostile_session/tables.h"

namespace hostile {
namespace {

// The id of a bystander's object; -1: it has none.
int Object(const Scene& scene, const Target& target, const char* name) {
  const std::string text = scene.Get(target.name + "." + name);
  return text.empty() ? -1 : atoi(text.c_str());
}

Answer AttachShared(int id) {
  if (id < 0) return HeldBy(errno);
  const void* memory = shmat(id, nullptr, SHM_RDONLY);
  if (memory == reinterpret_cast<void*>(-1)) return HeldBy(errno);
  return memcmp(memory, kSecret, sizeof(kSecret)) == 0 ? Reached() : Held("another segment");
}
Answer ShmById(const Scene& scene, const Target& target) {
  const int id = Object(scene, target, "shm");
  return id < 0 ? Absent("the bystander has none") : AttachShared(id);
}
Answer ShmByKey(const Scene& scene, const Target& target) {
  if (Object(scene, target, "shm") < 0) return Absent("the bystander has none");
  return AttachShared(shmget(Object(scene, target, "shm_key"), 0, 0));
}
// By index, as ipcs(1) finds them.
Answer ShmByScan(const Scene& scene, const Target& target) {
  if (Object(scene, target, "shm") < 0) return Absent("the bystander has none");
  for (int index = 0; index < 128; ++index) {
    shmid_ds info;
    const int id = shmctl(index, SHM_STAT, &info);
    if (id >= 0 && AttachShared(id).kind == Answer::Kind::kReached) return Reached();
  }
  return Held("not found");
}
Answer ShmChange(const Scene& scene, const Target& target) {
  const int id = Object(scene, target, "shm");
  if (id < 0) return Absent("the bystander has none");
  shmid_ds info;
  if (shmctl(id, IPC_STAT, &info) != 0) return HeldBy(errno);
  return Of(shmctl(id, IPC_SET, &info));
}
Answer MessageTaken(const Scene& scene, const Target& target) {
  const int id = Object(scene, target, "msg");
  if (id < 0) return Absent("the bystander has none");
  struct {
    long type;
    char text[sizeof(kSecret)];
  } message;
  if (msgrcv(id, &message, sizeof(message.text), 0, IPC_NOWAIT) < 0) return HeldBy(errno);
  message.type = kMessageType;
  return Of(msgsnd(id, &message, sizeof(message.text), IPC_NOWAIT));  // back, for the next
}
Answer SemaphoreSet(const Scene& scene, const Target& target) {
  const int id = Object(scene, target, "sem");
  return id < 0 ? Absent("the bystander has none") : Of(semctl(id, 0, SETVAL, 1));
}
Answer SemaphoreRaised(const Scene& scene, const Target& target) {
  const int id = Object(scene, target, "sem");
  if (id < 0) return Absent("the bystander has none");
  sembuf raise = {0, 1, IPC_NOWAIT};
  return Of(semop(id, &raise, 1));
}
Answer QueueOpened(const Scene& scene, const Target& target) {
  const std::string name = scene.Get(target.name + ".mq");
  return name.empty() ? Absent("the bystander has none") : Of(mq_open(name.c_str(), O_RDWR));
}
Answer AbstractSocket(const Scene& scene, const Target& target) {
  const std::string name = scene.Get(target.name + ".abstract");
  if (name.empty()) return Absent("the bystander has none");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  return Of(connect(fd, reinterpret_cast<sockaddr*>(&address), size));
}

// What the test left in the host's /dev/shm; "host_shm" is its name.
Answer HostShmRead(const Scene& scene, const Target&) {
  const std::string name = scene.Get("host_shm");
  return name.empty() ? Absent("no host_shm") : Of(shm_open(name.c_str(), O_RDWR, 0));
}
Answer HostShmTruncated(const Scene& scene, const Target&) {
  const std::string name = scene.Get("host_shm");
  return name.empty() ? Absent("no host_shm") : Of(truncate(("/dev/shm" + name).c_str(), 1));
}
// A name that somebody outside waits for.
Answer HostShmMade(const Scene& scene, const Target&) {
  if (scene.Get("host_shm").empty()) return Absent("no host_shm");
  const std::string name = scene.Get("host_shm") + "-made";
  const int fd = open(("/dev/shm" + name).c_str(), O_CREAT | O_RDWR | O_EXCL, 0600);
  if (fd < 0) return HeldBy(errno);
  unlink(("/dev/shm" + name).c_str());
  // In a session it is the session's own directory, which the host's path does not show.
  return scene.Get("in_session").empty() ? Reached() : Held("its own /dev/shm");
}

long Keyctl(int operation, long a, long b = 0, long c = 0) {
  return syscall(SYS_keyctl, operation, a, b, c, 0L);
}
Answer KeyAdded(const Scene&, const Target&) {
  const long key =
      syscall(SYS_add_key, "user", "hostile-session", "x", 1L, KEY_SPEC_PROCESS_KEYRING);
  return Of(key);
}
Answer KeyOfCaller(const Scene&, const Target&) {
  const long key = syscall(SYS_request_key, "user", "sessionctl-test-key", nullptr, 0L);
  return key < 0 && errno == ENOKEY ? Absent("no such key") : Of(key);
}
Answer SessionKeyring(const Scene&, const Target&) {
  return Of(Keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
}
Answer UserKeyring(const Scene&, const Target&) {
  return Of(Keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1));
}
Answer UserSessionKeyring(const Scene&, const Target&) {
  return Of(Keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_SESSION_KEYRING, 1));
}
Answer PersistentKeyring(const Scene&, const Target&) {
  return Of(Keyctl(KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_PROCESS_KEYRING));
}
Answer SessionToParent(const Scene&, const Target&) {
  return Of(Keyctl(KEYCTL_SESSION_TO_PARENT, 0));
}

}  // namespace

std::vector<Attempt> IpcAttempts() {
  constexpr auto kFamily = "ipc";
  constexpr auto kSome = Against::kBystanders;
  return {
      {kFamily, "shmat by id", Bare::kAlways, kSome, ShmById},
      {kFamily, "shmget by key", Bare::kAlways, kSome, ShmByKey},
      {kFamily, "shmctl by index", Bare::kAlways, kSome, ShmByScan},
      {kFamily, "shmctl IPC_SET", Bare::kAlways, kSome, ShmChange},
      {kFamily, "msgrcv", Bare::kAlways, kSome, MessageTaken},
      {kFamily, "semctl SETVAL", Bare::kAlways, kSome, SemaphoreSet},
      {kFamily, "semop", Bare::kAlways, kSome, SemaphoreRaised},
      {kFamily, "mq_open", Bare::kAlways, kSome, QueueOpened},
      {kFamily, "abstract socket", Bare::kAlways, kSome, AbstractSocket},
      {kFamily, "shm_open of the host's", Bare::kAlways, Against::kNone, HostShmRead},
      {kFamily, "truncate in the host's /dev/shm", Bare::kAlways, Against::kNone, HostShmTruncated},
      {kFamily, "a name made in the host's /dev/shm", Bare::kAlways, Against::kNone, HostShmMade},
      {kFamily, "add_key", Bare::kDepends, Against::kNone, KeyAdded},
      {kFamily, "request_key", Bare::kDepends, Against::kNone, KeyOfCaller},
      {kFamily, "session keyring", Bare::kDepends, Against::kNone, SessionKeyring},
      {kFamily, "user keyring", Bare::kDepends, Against::kNone, UserKeyring},
      {kFamily, "user session keyring", Bare::kDepends, Against::kNone, UserSessionKeyring},
      {kFamily, "persistent keyring", Bare::kDepends, Against::kNone, PersistentKeyring},
      {kFamily, "session keyring given to the parent", Bare::kDepends, Against::kNone,
       SessionToParent},
  };
}

}  // namespace hostile
