#include "fleet/deployment_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "policy/deployment_keys.h"
#include "policy/deployment_policy.h"
#include "policy/policy_parser.h"
#include "sandbox/safe_file.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

constexpr char kDirectory[] = "deployments";
constexpr char kSuffix[] = ".json";
constexpr int kStoredVersion = 1;
constexpr size_t kMaxFileBytes = 16 << 20;

absl::Status ErrnoStatus(const std::string& what, int error) {
  const std::string message = absl::StrCat(what, ": ", strerrordesc_np(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT: return absl::ResourceExhaustedError(message);
    case EROFS:
    case EACCES:
    case EPERM: return absl::PermissionDeniedError(message);
    default: return absl::InternalError(message);
  }
}

std::string ToJson(const StoredDeployment& stored) {
  const ordered_json value = {{"version", kStoredVersion},
                              {"deployment", DeploymentToToml(stored.wanted.deployment)},
                              {"applied", stored.wanted.version},
                              {"removing", stored.wanted.removing},
                              {"retried", stored.wanted.retried},
                              {"environment", stored.environment}};
  return value.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

// Errors: kDataLoss; kUnimplemented: of a later version.
absl::StatusOr<StoredDeployment> FromJson(const std::string& text, const std::string& name) {
  const ordered_json value = ordered_json::parse(text, nullptr, false);
  if (!value.is_object()) return absl::DataLossError("torn, or no JSON object");
  const auto version = value.find("version");
  if (version == value.end() || !version->is_number_integer()) {
    return absl::DataLossError("has no version");
  }
  if (version->get<int64_t>() > kStoredVersion) {
    return absl::UnimplementedError("was written by a later version of sessionctl");
  }
  StoredDeployment stored;
  std::string file;
  try {
    file = value.at("deployment").get<std::string>();
    stored.wanted.version = value.at("applied").get<int>();
    stored.wanted.removing = value.at("removing").get<bool>();
    stored.wanted.retried = value.at("retried").get<std::set<std::string>>();
    stored.environment = value.at("environment").get<std::vector<std::string>>();
  } catch (const ordered_json::exception& error) {
    return absl::DataLossError(error.what());
  }
  absl::StatusOr<Deployment> deployment = ParseDeployment(file, name);
  if (!deployment.ok()) return absl::DataLossError(deployment.status().message());
  if (deployment->name != name) return absl::DataLossError("is about another deployment");
  stored.wanted.deployment = *std::move(deployment);
  return stored;
}

absl::StatusOr<StoredDeployment> ReadStored(int directory, const std::string& name) {
  const std::string file = absl::StrCat(name, kSuffix);
  SysResult<OwnedFd> opened = OpenFileBeneath(directory, file);
  if (!opened.ok()) return absl::DataLossError(strerrordesc_np(opened.error()));
  struct stat status;
  if (fstat(opened->get(), &status) != 0 || status.st_uid != geteuid()) {
    return absl::DataLossError("belongs to somebody else");
  }
  SysResult<std::string> text = ReadFileBeneath(directory, file, kMaxFileBytes);
  if (!text.ok()) return absl::DataLossError(strerrordesc_np(text.error()));
  return FromJson(*text, name);
}

std::vector<std::string> NamesIn(int directory) {
  std::vector<std::string> names;
  const int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const listing = again < 0 ? nullptr : fdopendir(again);
  if (listing == nullptr) return names;
  while (const dirent* entry = readdir(listing)) {
    const std::string name = entry->d_name;
    if (name.ends_with(kSuffix))
      names.push_back(name.substr(0, name.size() - (sizeof kSuffix - 1)));
  }
  closedir(listing);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

absl::StatusOr<DeploymentStore> DeploymentStore::Open(const SessionStore& sessions) {
  SysResult<OwnedFd> fd = MakeDirectoryBeneath(sessions.fd(), kDirectory, 0700);
  if (!fd.ok() && fd.error() == EEXIST) fd = OpenDirectoryBeneath(sessions.fd(), kDirectory);
  const std::string path = absl::StrCat(sessions.path(), "/", kDirectory);
  if (!fd.ok()) return ErrnoStatus(path, fd.error());
  struct stat status;
  if (fstat(fd->get(), &status) != 0) return ErrnoStatus(path, errno);
  if (status.st_uid != geteuid() || (status.st_mode & 022) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(path, ": not ours, or open to others"));
  }
  return DeploymentStore(std::move(*fd));
}

DeploymentListing DeploymentStore::List() const {
  DeploymentListing listing;
  for (const std::string& name : NamesIn(fd_.get())) {
    absl::StatusOr<StoredDeployment> stored = ReadStored(fd_.get(), name);
    if (stored.ok()) {
      listing.deployments.push_back(*std::move(stored));
      continue;
    }
    const std::string file = absl::StrCat(kDirectory, "/", name, kSuffix);
    if (absl::IsUnimplemented(stored.status())) {
      listing.later_versions.push_back(name);
      listing.messages.push_back(absl::StrCat(file, " ", stored.status().message()));
      continue;
    }
    const std::string aside = absl::StrCat(name, kSuffix, ".set-aside");
    const bool moved =
        renameat(fd_.get(), absl::StrCat(name, kSuffix).c_str(), fd_.get(), aside.c_str()) == 0;
    listing.messages.push_back(absl::StrCat(file, ": ", stored.status().message(), "; ",
                                            moved ? "set aside as " : "cannot be set aside as ",
                                            aside));
  }
  return listing;
}

absl::Status DeploymentStore::Write(const StoredDeployment& stored) const {
  const std::string& name = stored.wanted.deployment.name;
  if (const std::string wrong = CheckFleetName(name); !wrong.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("deployment.name: \"", name, "\": ", wrong));
  }
  const SysStatus written =
      WriteFileAtomically(fd_.get(), absl::StrCat(name, kSuffix), ToJson(stored), 0600);
  return written.ok() ? absl::OkStatus()
                      : ErrnoStatus(absl::StrCat(kDirectory, "/", name, kSuffix), written.error());
}

absl::Status DeploymentStore::Remove(const std::string& name) const {
  if (const std::string wrong = CheckFleetName(name); !wrong.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("deployment.name: \"", name, "\": ", wrong));
  }
  // The locks first: without its file the deployment is forgotten, and they would stay.
  const SysStatus locks = RemoveTreeBeneath(fd_.get(), name);
  if (!locks.ok() && locks.error() != ENOENT) return ErrnoStatus(name, locks.error());
  const std::string file = absl::StrCat(name, kSuffix);
  if (unlinkat(fd_.get(), file.c_str(), 0) != 0 && errno != ENOENT) return ErrnoStatus(file, errno);
  return absl::OkStatus();
}

}  // namespace sessionctl
