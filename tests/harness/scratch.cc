#include "tests/harness/scratch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace harness {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Die(const std::string& what, const std::string& path, int error) {
  fprintf(stderr, "harness: %s %s: %s\n", what.c_str(), path.c_str(), strerror(error));
  abort();
}

}  // namespace

ScratchDirectory::ScratchDirectory() {
  const char* base = getenv("TMPDIR");
  std::string pattern =
      std::string(base != nullptr && *base != 0 ? base : "/tmp") + "/sessionctl-test.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) Die("mkdtemp", pattern, errno);
  char* real = realpath(pattern.c_str(), nullptr);
  if (real == nullptr) Die("realpath", pattern, errno);
  path_ = real;
  free(real);
  if (chmod(path_.c_str(), 0755) < 0) Die("chmod", path_, errno);
}

ScratchDirectory::~ScratchDirectory() {
  if (getenv("SESSIONCTL_KEEP_SCRATCH") == nullptr) RemoveTree(path_);
}

void MakeDirectory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) Die("mkdir", path, error.value());
}

void WriteFile(const std::string& path, const std::string& content, mode_t mode) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) Die("create", path, errno);
  if (write(fd, content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    Die("write", path, errno);
  }
  fchmod(fd, mode);
  close(fd);
}

void MakeLink(const std::string& target, const std::string& path) {
  if (symlink(target.c_str(), path.c_str()) < 0) Die("symlink", path, errno);
}

void CopyProgram(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (error) Die("copy " + from + " to", to, error.value());
  if (chmod(to.c_str(), 0755) < 0) Die("chmod", to, errno);
}

void GiveTree(const std::string& path, uid_t uid, gid_t gid) {
  if (lchown(path.c_str(), uid, gid) < 0) Die("chown", path, errno);
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(path, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    // Somebody may be at work in it: what has gone needs no owner.
    if (lchown(it->path().c_str(), uid, gid) < 0 && errno != ENOENT)
      Die("chown", it->path(), errno);
  }
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

bool Exists(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0;
}

bool IsDirectory(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

void RemoveTree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
}

}  // namespace harness
