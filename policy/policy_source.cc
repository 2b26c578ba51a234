#include "policy/policy_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/policy_parser.h"
#include "policy/profile_texts.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {

absl::StatusOr<std::string> ReadPolicyFile(const std::string& path) {
  // O_NONBLOCK: a FIFO must not hold us up before it is seen to be one.
  const OwnedFd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.valid()) {
    const std::string what = absl::StrCat(path, ":1:1: file: ", strerrordesc_np(errno));
    if (errno == ENOENT || errno == ENOTDIR) return absl::NotFoundError(what);
    return absl::InvalidArgumentError(what);
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":1:1: file: not a regular file"));
  }
  std::string text;
  char buffer[65536];
  while (text.size() <= kMaxPolicyBytes) {
    const ssize_t size = read(file.get(), buffer, sizeof buffer);
    if (size == 0) return text;
    if (size < 0 && errno != EINTR) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":1:1: file: ", strerrordesc_np(errno)));
    }
    if (size > 0) text.append(buffer, static_cast<size_t>(size));
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ":1:1: file: larger than 1 MiB"));
}

absl::StatusOr<NamedText> FindProfile(const std::string& name) {
  for (const ProfileText& profile : ProfileTexts()) {
    if (profile.name == name) {
      return NamedText{std::string(profile.text), absl::StrCat("profile ", name)};
    }
  }
  return absl::NotFoundError(absl::StrCat("no profile \"", absl::Utf8SafeCEscape(name),
                                          "\"; there are ", absl::StrJoin(ProfileNames(), ", ")));
}

absl::StatusOr<NamedText> FindExtended(const std::string& name, const std::string& source) {
  if (name.find('/') == std::string::npos && !name.ends_with(".toml")) return FindProfile(name);
  const size_t slash = source.rfind('/');
  const bool relative = name[0] != '/' && slash != std::string::npos;
  const std::string path = relative ? source.substr(0, slash + 1) + name : name;
  absl::StatusOr<std::string> text = ReadPolicyFile(path);
  if (!text.ok()) return text.status();
  return NamedText{*std::move(text), path};
}

std::vector<std::string> ProfileNames() {
  std::vector<std::string> names;
  for (const ProfileText& profile : ProfileTexts()) names.emplace_back(profile.name);
  return names;
}

}  // namespace sessionctl
