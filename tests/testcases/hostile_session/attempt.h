// One hostile session's attempts to reach what lies outside, a table row each. To add one: write a
// function and put a row into the table of its file (tables.h lists the tables). The program forks
// for each row, so an attempt may do to its own process what it likes, and is ended after some
// seconds.
#ifndef TESTS_TESTCASES_HOSTILE_SESSION_ATTEMPT_H_
#define TESTS_TESTCASES_HOSTILE_SESSION_ATTEMPT_H_

#include <sys/types.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hostile {

// What there is to reach, from the command line (name=value): "vault" is a directory that nobody
// granted, with a file "canary"; of a bystander NAME (outside, sibling, …) there are "NAME.pid" and
// what bystander.h lists.
class Scene {
 public:
  void Set(const std::string& name, const std::string& value) { values_[name] = value; }
  // "" for what is not there.
  std::string Get(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? "" : found->second;
  }
  long Number(const std::string& name) const { return strtol(Get(name).c_str(), nullptr, 0); }

 private:
  std::map<std::string, std::string> values_;
};

// A process that the attempt is against. `name` is "" for attempts that are against none.
struct Target {
  std::string name;
  pid_t pid = 0;
};

struct Answer {
  enum class Kind { kHeld, kReached, kAbsent };
  Kind kind;
  std::string detail;
};
inline Answer Held(const std::string& detail) { return {Answer::Kind::kHeld, detail}; }
inline Answer HeldBy(int error) { return Held(strerrorname_np(error)); }
inline Answer Reached(const std::string& detail = "") { return {Answer::Kind::kReached, detail}; }
// This machine, or this run, lacks what the attempt is about.
inline Answer Absent(const std::string& why) { return {Answer::Kind::kAbsent, why}; }
// Of a system call that reaches if it succeeds.
inline Answer Of(long result) { return result < 0 ? HeldBy(errno) : Reached(); }

// When the bare run, without any session, must reach: always; as root; or it depends on the
// machine, and the row is for what a session may not do whatever the machine.
enum class Bare { kAlways, kRoot, kDepends };

// Which processes the attempt is made against, one line each.
enum class Against {
  kNone,
  kBystanders,  // another process of the user, and one in another session
  kProcesses,   // those, the session's broker and the broker's parent
};

struct Attempt {
  const char* family;
  const char* name;
  Bare bare;
  Against against;
  Answer (*make)(const Scene& scene, const Target& target);
};

}  // namespace hostile

#endif  // TESTS_TESTCASES_HOSTILE_SESSION_ATTEMPT_H_
