// Directories and files that a test works in. Everything is made below $TMPDIR (or /tmp) and
// removed at the end.
#ifndef TESTS_HARNESS_SCRATCH_H_
#define TESTS_HARNESS_SCRATCH_H_

#include <sys/types.h>

#include <string>

namespace harness {

// A fresh directory, mode 0755, removed with everything in it when the object goes.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// These abort the test program with a message when they fail: a test without its scene says
// nothing.
void MakeDirectory(const std::string& path);  // with its parents
void WriteFile(const std::string& path, const std::string& content, mode_t mode = 0644);
void MakeLink(const std::string& target, const std::string& path);
void CopyProgram(const std::string& from, const std::string& to);
void GiveTree(const std::string& path, uid_t uid, gid_t gid);  // chown -hR

std::string ReadFile(const std::string& path);  // "" when it cannot be read
bool Exists(const std::string& path);           // does not follow a link
bool IsDirectory(const std::string& path);      // does not follow a link
void RemoveTree(const std::string& path);       // best effort

}  // namespace harness

#endif  // TESTS_HARNESS_SCRATCH_H_
