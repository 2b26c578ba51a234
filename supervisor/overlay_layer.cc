#include "supervisor/overlay_layer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "sandbox/base/syscalls.h"
#include "sandbox/safe_file.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr size_t kMaxLayerFile = 64 << 10;
constexpr size_t kMaxAttribute = 64 << 10;  // XATTR_SIZE_MAX
constexpr std::array<const char*, 3> kOnExitNames = {"keep", "discard", "commit"};

absl::Status Failed(int error, const std::string& what) { return absl::ErrnoToStatus(error, what); }

absl::Status Malformed(const std::string& what) {
  return absl::DataLossError(absl::StrCat(kOverlayLayerFile, ": ", what));
}

// Attributes of the kernel's overlays are about the place where they stand.
bool IsCopied(absl::string_view name) {
  return absl::StartsWith(name, "system.posix_acl_") ||
         (absl::StartsWith(name, "user.") && !absl::StartsWith(name, "user.overlay."));
}

// What the file system of the store cannot hold is left out: the mount's root is seen without it.
void CopyAttributes(int from, int to) {
  std::string names(kMaxAttribute, '\0');
  const ssize_t listed = flistxattr(from, names.data(), names.size());
  if (listed <= 0) return;
  std::string value(kMaxAttribute, '\0');
  for (size_t at = 0; at < static_cast<size_t>(listed); at += strlen(&names[at]) + 1) {
    const char* name = &names[at];
    if (!IsCopied(name)) continue;
    const ssize_t size = fgetxattr(from, name, value.data(), value.size());
    if (size >= 0) fsetxattr(to, name, value.data(), static_cast<size_t>(size), 0);
  }
}

// The mode comes last: a change of the owner takes bits away (chown(2)).
absl::Status CopyRoot(int lower, const struct stat& info, int upper) {
  // An ordinary user's overlay is mounted in a user namespace that knows the user's own ids only:
  // in a directory of another group nothing could be made.
  if (geteuid() == 0 && fchown(upper, info.st_uid, info.st_gid) != 0) {
    return Failed(errno, "owner of the upper directory");
  }
  CopyAttributes(lower, upper);
  if (fchmod(upper, info.st_mode & 07777) != 0) return Failed(errno, "mode of the upper directory");
  return absl::OkStatus();
}

SysResult<OwnedFd> MakeDirectories(int session, int index) {
  SysResult<OwnedFd> all = MakeDirectoryBeneath(session, kOverlayDirectory, 0700);
  if (!all.ok() && all.error() != EEXIST) return all;
  const std::string name = absl::StrCat(kOverlayDirectory, "/", index);
  SysResult<OwnedFd> directory = MakeDirectoryBeneath(session, name, 0700);
  if (!directory.ok()) return directory;
  for (const char* part : {kOverlayUpper, kOverlayWork}) {
    SysResult<OwnedFd> made = MakeDirectoryBeneath(directory->get(), part, 0700);
    if (!made.ok()) return made;
  }
  return directory;
}

absl::StatusOr<HeldOverlayLayer> OpenLayer(int overlay, int index) {
  SysResult<OwnedFd> directory = OpenDirectoryBeneath(overlay, absl::StrCat(index));
  if (!directory.ok()) return Malformed(strerror(directory.error()));
  SysResult<std::string> text = ReadFileBeneath(directory->get(), kOverlayLayerFile, kMaxLayerFile);
  if (!text.ok()) return Malformed(strerror(text.error()));
  absl::StatusOr<OverlayLayer> layer = OverlayLayerFromJson(*text);
  if (!layer.ok()) return layer.status();
  return HeldOverlayLayer{index, *std::move(layer), std::move(*directory)};
}

}  // namespace

const char* OnExitName(OnExit rule) { return kOnExitNames[static_cast<size_t>(rule)]; }

std::string OverlayLayerToJson(const OverlayLayer& layer) {
  const ordered_json value = {{"format", kFormat},      {"host", layer.host},
                              {"device", layer.device}, {"inode", layer.inode},
                              {"guest", layer.guest},   {"on_exit", OnExitName(layer.on_exit)}};
  return value.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

absl::StatusOr<OverlayLayer> OverlayLayerFromJson(const std::string& json) {
  const ordered_json value = ordered_json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) return Malformed("not a JSON object");
  const auto number = [&value](const char* key) -> uint64_t {
    const auto it = value.find(key);
    return it != value.end() && it->is_number_unsigned() ? it->get<uint64_t>() : 0;
  };
  const auto text = [&value](const char* key) -> std::string {
    const auto it = value.find(key);
    return it != value.end() && it->is_string() ? it->get<std::string>() : "";
  };
  const uint64_t format = number("format");
  if (format > kFormat) {
    return absl::UnimplementedError(
        absl::StrCat(kOverlayLayerFile, ": format ", format, " is of a later version"));
  }
  if (format != kFormat) return Malformed("no format");
  OverlayLayer layer = {.host = text("host"),
                        .device = number("device"),
                        .inode = number("inode"),
                        .guest = text("guest")};
  if (!absl::StartsWith(layer.host, "/")) return Malformed("\"host\" is not an absolute path");
  if (layer.inode == 0) return Malformed("\"inode\" is not a number");
  const auto* const rule = std::find(kOnExitNames.begin(), kOnExitNames.end(), text("on_exit"));
  if (rule == kOnExitNames.end()) return Malformed("\"on_exit\" is unknown");
  layer.on_exit = static_cast<OnExit>(rule - kOnExitNames.begin());
  return layer;
}

absl::StatusOr<OwnedFd> OpenLowerDirectory(const OverlayLayer& layer) {
  SysResult<OwnedFd> lower =
      OpenAt2(AT_FDCWD, layer.host.c_str(),
              {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = kResolveNoSymlinks});
  if (!lower.ok()) return Failed(lower.error(), layer.host);
  SysResult<struct stat> info = Fstat(lower->get());
  if (!info.ok()) return Failed(info.error(), layer.host);
  if (info->st_dev == layer.device && info->st_ino == layer.inode) return std::move(*lower);
  return absl::FailedPreconditionError(
      absl::StrCat(layer.host, ": not the directory any more that the overlay was made over"));
}

absl::StatusOr<OwnedFd> MakeOverlayLayer(int session, int index, int lower, OverlayLayer* layer) {
  SysResult<struct stat> info = Fstat(lower);
  if (!info.ok()) return Failed(info.error(), layer->host);
  layer->device = info->st_dev;
  layer->inode = info->st_ino;
  const std::string json = OverlayLayerToJson(*layer);
  const absl::StatusOr<OverlayLayer> again = OverlayLayerFromJson(json);
  if (!again.ok() || again->host != layer->host) {
    return absl::InvalidArgumentError(
        absl::StrCat(layer->host, ": a path that is not UTF-8 cannot have an overlay"));
  }
  SysResult<OwnedFd> directory = MakeDirectories(session, index);
  const std::string name = absl::StrCat(kOverlayDirectory, "/", index);
  if (!directory.ok()) return Failed(directory.error(), name);
  SysResult<OwnedFd> upper = OpenDirectoryBeneath(directory->get(), kOverlayUpper);
  if (!upper.ok()) return Failed(upper.error(), name);
  if (absl::Status copied = CopyRoot(lower, *info, upper->get()); !copied.ok()) return copied;
  SysStatus written = WriteFileAtomically(directory->get(), kOverlayLayerFile, json, 0600);
  if (!written.ok()) return Failed(written.error(), absl::StrCat(name, "/", kOverlayLayerFile));
  return std::move(*directory);
}

absl::StatusOr<std::vector<HeldOverlayLayer>> OpenOverlayLayers(int session) {
  std::vector<HeldOverlayLayer> layers;
  SysResult<OwnedFd> overlay = OpenDirectoryBeneath(session, kOverlayDirectory);
  if (!overlay.ok() && overlay.error() == ENOENT) return layers;
  if (!overlay.ok()) return Malformed(strerror(overlay.error()));
  SysResult<OwnedFd> listed = OpenDirectoryBeneath(session, kOverlayDirectory);
  if (!listed.ok()) return Malformed(strerror(listed.error()));
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(listed->get()), closedir);
  if (directory == nullptr) return Malformed(strerror(errno));
  listed->Release();  // now the stream's
  while (const dirent* entry = readdir(directory.get())) {
    int index = -1;
    if (entry->d_name[0] == '.' || !absl::SimpleAtoi(entry->d_name, &index)) continue;
    absl::StatusOr<HeldOverlayLayer> layer = OpenLayer(overlay->get(), index);
    if (!layer.ok()) return layer.status();
    layers.push_back(*std::move(layer));
  }
  std::sort(layers.begin(), layers.end(),
            [](const HeldOverlayLayer& a, const HeldOverlayLayer& b) { return a.index < b.index; });
  return layers;
}

}  // namespace sessionctl
