#include "supervisor/kept_record.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "sandbox/base/raw_log.h"
#include "sandbox/safe_file.h"

namespace sessionctl {
namespace {

constexpr char kReserveFile[] = "reserve";
constexpr size_t kRecordGrowth = 1536;  // from the first record to the last
constexpr size_t kBlock = 4096;

absl::Status Reserve(const SessionDirectory& directory, size_t record_size) {
  SysResult<OwnedFd> file = CreateLogBeneath(directory.fd(), kReserveFile, 0600);
  if (!file.ok()) return absl::ErrnoToStatus(file.error(), kReserveFile);
  const size_t size = (record_size + kRecordGrowth + kBlock - 1) / kBlock * kBlock;
  if (const int error = posix_fallocate(file->get(), 0, static_cast<off_t>(size)); error != 0) {
    return absl::ErrnoToStatus(error, kReserveFile);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status KeptRecord::Begin(const SessionDirectory& directory) {
  directory_ = &directory;
  absl::Status written = directory.WriteFirstRecord(value);
  return written.ok() ? Reserve(directory, RecordToJson(value).size()) : written;
}

void KeptRecord::Describe(const CompiledPolicy& policy) {
  value.missing_walls = policy.missing_walls;
  value.user = policy.identity.user;
  value.capabilities = policy.policy.process.capabilities;
  value.warnings = policy.warnings;
  for (const PlannedLimit& limit : policy.limits.limits) {
    value.limits.push_back(
        {.name = limit.name, .value = limit.value, .by = LimitHolderName(limit.holder)});
  }
  for (const CompiledMount& mount : policy.mounts) {
    if (mount.is_private_tmp) continue;
    SessionMount recorded = {.host = mount.mount.host,
                             .mode = MountModeName(mount.mount.mode),
                             .guest = mount.mount.guest};
    if (mount.mount.max_bytes != kUnlimited) recorded.max_bytes = mount.mount.max_bytes;
    if (mount.mount.max_files != kUnlimited) recorded.max_files = mount.mount.max_files;
    value.mounts.push_back(std::move(recorded));
  }
}

void KeptRecord::Save() const {
  if (!directory_->WriteRecord(value, Durability::kFast).ok()) RawLog("state.json");
}

void KeptRecord::SaveLast() const {
  if (directory_->WriteLastRecord(value, kReserveFile).ok()) return;
  unlinkat(directory_->fd(), kReserveFile, 0);
  if (directory_->WriteRecord(value, Durability::kSynced).ok()) return;
  RawLog("state.json");
}

}  // namespace sessionctl
