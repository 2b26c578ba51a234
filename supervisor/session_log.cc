#include "supervisor/session_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/safe_file.h"
#include "supervisor/session_store.h"

namespace sessionctl {
namespace {

constexpr char kNewFile[] = ".output.log.new";
constexpr char kFullFile[] = ".output.log.full";
// "INODE START" a line: how much the session had written before each file. It is there from the
// first rotation on, and names a file before the file can be found.
constexpr char kStartsFile[] = "output.log.starts";
constexpr size_t kMaxStartsFile = size_t{64} * (kMaxLogFiles + 2);
constexpr int kMaxOpenAttempts = 100;

// 0: the one that is written.
std::string FileName(int number) {
  std::string name = kSessionOutputFile;
  if (number > 0) name += "." + std::to_string(number);
  return name;
}

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool IsNamed(int directory, int number, const struct stat& info) {
  struct stat named;
  return fstatat(directory, FileName(number).c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         SameFile(named, info);
}

// The highest number of a file that there is, -1: none.
int OldestFile(int directory) {
  int oldest = -1;
  struct stat info;
  for (int number = 0; number < kMaxLogFiles; ++number) {
    // One that is missing is being made at this moment, or there are no more.
    if (fstatat(directory, FileName(number).c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
      oldest = number;
    }
  }
  return oldest;
}

// Errors: ENOENT (it is none of those that are kept).
SysResult<uint64_t> StartOf(int directory, ino_t inode) {
  SysResult<std::string> text = ReadFileBeneath(directory, kStartsFile, kMaxStartsFile);
  if (!text.ok()) {
    return text.error() == ENOENT ? SysResult<uint64_t>(0) : Errno(text.error());
  }
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    uint64_t number = 0;
    uint64_t start = 0;
    if (absl::SimpleAtoi(parts.first, &number) && absl::SimpleAtoi(parts.second, &start) &&
        number == inode) {
      return start;
    }
  }
  return Errno(ENOENT);
}

}  // namespace

SessionLog::SessionLog(int directory, const LogRule& rule, OwnedFd file)
    : directory_(directory), rule_(rule), file_(std::move(file)) {
  rule_.max_bytes = std::max(rule_.max_bytes, kMinLogBytes);
  rule_.max_files = std::clamp(rule_.max_files, 1, kMaxLogFiles);
  SysResult<struct stat> info = Fstat(file_.get());
  inodes_.push_back(info.ok() ? info->st_ino : 0);
}

SysResult<SessionLog> SessionLog::Create(int directory, const LogRule& rule) {
  SysResult<OwnedFd> file = CreateLogBeneath(directory, kSessionOutputFile, 0600);
  if (!file.ok()) return Errno(file.error());
  return SessionLog(directory, rule, std::move(*file));
}

void SessionLog::Append(std::string_view data) {
  const auto limit = static_cast<uint64_t>(rule_.max_bytes);
  while (!data.empty()) {
    if (sizes_[0] >= limit && !Rotate().ok()) {
      lost_ += data.size();  // the limit holds
      return;
    }
    const std::string_view part = data.substr(0, limit - sizes_[0]);
    const size_t taken = Write(part);
    sizes_[0] += taken;
    written_ += taken;
    if (taken < part.size()) {
      lost_ += data.size() - taken;
      return;
    }
    data.remove_prefix(taken);
  }
}

uint64_t SessionLog::first_kept() const {
  return written_ - std::accumulate(sizes_.begin(), sizes_.end(), uint64_t{0});
}

std::string SessionLog::ReadAt(uint64_t offset, size_t most) const {
  uint64_t begin = written_;  // of the file
  for (size_t number = 0; number < sizes_.size(); ++number) {
    begin -= sizes_[number];
    if (offset < begin) continue;
    SysResult<OwnedFd> file = OpenFileBeneath(directory_, FileName(static_cast<int>(number)));
    if (!file.ok()) return "";
    std::string data(std::min<uint64_t>(most, begin + sizes_[number] - offset), '\0');
    const ssize_t count =
        pread(file->get(), data.data(), data.size(), static_cast<off_t>(offset - begin));
    data.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
    return data;
  }
  return "";
}

size_t SessionLog::Write(std::string_view data) {
  size_t taken = 0;
  while (taken < data.size()) {
    const ssize_t count = write(file_.get(), data.data() + taken, data.size() - taken);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    taken += static_cast<size_t>(count);
  }
  return taken;
}

// At every moment output.log is there, and no byte is without a name: the full file gets its next
// one before a new file takes its old one, by the last rename.
SysStatus SessionLog::Rotate() {
  for (const char* stale : {kNewFile, kFullFile}) unlinkat(directory_, stale, 0);
  SysResult<OwnedFd> next = CreateLogBeneath(directory_, kNewFile, 0600);
  if (!next.ok()) return Errno(next.error());
  SysResult<struct stat> info = Fstat(next->get());
  if (!info.ok()) return Errno(info.error());
  if (SysStatus listed = WriteStarts(info->st_ino); !listed.ok()) return listed;
  for (int number = rule_.max_files - 2; number > 0; --number) {
    if (renameat(directory_, FileName(number).c_str(), directory_, FileName(number + 1).c_str()) !=
            0 &&
        errno != ENOENT) {
      return LastErrno();
    }
  }
  if (rule_.max_files > 1 &&
      (linkat(directory_, kSessionOutputFile, directory_, kFullFile, 0) != 0 ||
       renameat(directory_, kFullFile, directory_, FileName(1).c_str()) != 0)) {
    return LastErrno();
  }
  if (renameat(directory_, kNewFile, directory_, kSessionOutputFile) != 0) return LastErrno();
  file_ = std::move(*next);
  sizes_.push_front(0);
  inodes_.push_front(info->st_ino);
  if (sizes_.size() > static_cast<size_t>(rule_.max_files)) {
    sizes_.pop_back();
    inodes_.pop_back();
  }
  return Done{};
}

SysStatus SessionLog::WriteStarts(ino_t next) const {
  std::string text = absl::StrCat(next, " ", written_, "\n");
  uint64_t begin = written_;
  for (size_t number = 0; number < sizes_.size(); ++number) {
    begin -= sizes_[number];
    absl::StrAppend(&text, inodes_[number], " ", begin, "\n");
  }
  return WriteFileAtomically(directory_, kStartsFile, text, 0600, Durability::kFast);
}

SysStatus SessionLogReader::SeekToTail(uint64_t most) {
  int number = -1;
  uint64_t behind = 0;  // bytes in the files after this one
  for (;;) {
    SysResult<OwnedFd> file = OpenFileBeneath(directory_, FileName(number + 1));
    if (!file.ok()) {
      // There is nothing older; without any file there is no log.
      if (number < 0) return Errno(file.error());
      return Done{};
    }
    SysResult<struct stat> info = Fstat(file->get());
    if (!info.ok()) return Errno(info.error());
    ++number;
    file_ = std::move(*file);
    const auto size = static_cast<uint64_t>(info->st_size);
    if (behind + size >= most || number + 1 >= kMaxLogFiles) {
      const uint64_t skipped = behind + size > most ? behind + size - most : 0;
      lseek(file_.get(), static_cast<off_t>(std::min(skipped, size)), SEEK_SET);
      return Done{};
    }
    behind += size;
  }
}

SysStatus SessionLogReader::SeekTo(uint64_t offset) {
  if (SysStatus opened = OpenFirst(); !opened.ok()) return opened;
  for (;;) {
    SysResult<bool> goes_on = HasNext();
    if (!goes_on.ok()) return Errno(goes_on.error());
    SysResult<struct stat> info = Fstat(file_.get());  // complete when it has a successor
    if (!info.ok()) return Errno(info.error());
    const auto size = static_cast<uint64_t>(info->st_size);
    if (offset < position_) return Done{};
    if (offset - position_ < size || !*goes_on) {
      const uint64_t skipped = std::min(offset - position_, size);
      lseek(file_.get(), static_cast<off_t>(skipped), SEEK_SET);
      position_ += skipped;
      return Done{};
    }
    lseek(file_.get(), 0, SEEK_END);
    position_ += size;
    SysResult<bool> next = OpenNext();
    if (!next.ok()) return Errno(next.error());
    if (!*next) return Done{};
  }
}

// Where our file begins. Errors: ENOENT (it has been dropped).
SysStatus SessionLogReader::FindStart() {
  SysResult<struct stat> info = Fstat(file_.get());
  if (!info.ok()) return Errno(info.error());
  SysResult<uint64_t> start = StartOf(directory_, info->st_ino);
  if (!start.ok()) return Errno(start.error());
  position_ = *start;
  return Done{};
}

SysStatus SessionLogReader::OpenFirst() {
  // Between the look and the open it can have been renamed, and the next one have got its name; or
  // it can have been dropped.
  for (int attempt = 0; attempt < kMaxOpenAttempts; ++attempt) {
    const int oldest = OldestFile(directory_);
    if (oldest < 0) return Errno(ENOENT);
    SysResult<OwnedFd> file = OpenFileBeneath(directory_, FileName(oldest));
    if (!file.ok() && file.error() == ENOENT) continue;
    if (!file.ok()) return Errno(file.error());
    file_ = std::move(*file);
    SysResult<int> number = OwnNumber();
    if (!number.ok()) return Errno(number.error());
    if (*number < OldestFile(directory_) || *number >= kMaxLogFiles) continue;
    if (SysStatus found = FindStart(); found.ok() || found.error() != ENOENT) return found;
  }
  return file_.valid() ? SysStatus(Done{}) : Errno(ENOENT);
}

// Its number now; kMaxLogFiles when it has been dropped.
SysResult<int> SessionLogReader::OwnNumber() const {
  SysResult<struct stat> mine = Fstat(file_.get());
  if (!mine.ok()) return Errno(mine.error());
  int number = 0;
  while (number < kMaxLogFiles && !IsNamed(directory_, number, *mine)) ++number;
  return number;
}

// The one after ours; false: ours is the last.
SysResult<bool> SessionLogReader::OpenNext() {
  for (int attempt = 0; attempt < kMaxOpenAttempts; ++attempt) {
    SysResult<int> number = OwnNumber();
    if (!number.ok()) return Errno(number.error());
    if (*number == 0) return false;
    if (*number == kMaxLogFiles) {
      // What came between is lost to this reader. The whole log may have gone, too.
      SysStatus opened = OpenFirst();
      if (opened.ok()) return true;
      return opened.error() == ENOENT ? SysResult<bool>(false) : Errno(opened.error());
    }
    SysResult<OwnedFd> next = OpenFileBeneath(directory_, FileName(*number - 1));
    // Files are renamed from the oldest on: as long as ours has its name, the next one has, too.
    SysResult<int> still = OwnNumber();
    if (!next.ok() || !still.ok() || *still != *number) continue;
    file_ = std::move(*next);
    return true;
  }
  return false;
}

SysResult<std::string> SessionLogReader::Read(size_t most) {
  if (!file_.valid()) {
    if (SysStatus opened = OpenFirst(); !opened.ok()) return Errno(opened.error());
  }
  std::string data(most, '\0');
  bool is_complete = false;
  for (;;) {
    const ssize_t count = read(file_.get(), data.data(), data.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return LastErrno();
    data.resize(static_cast<size_t>(count));
    position_ += static_cast<uint64_t>(count);
    if (count > 0) return data;
    data.resize(most);
    // Nothing is written to a file that has a successor. So it is read once more when it is known
    // to have one.
    SysResult<bool> goes_on = is_complete ? OpenNext() : HasNext();
    if (!goes_on.ok()) return Errno(goes_on.error());
    if (!*goes_on) return std::string();
    is_complete = !is_complete;
  }
}

SysResult<bool> SessionLogReader::HasNext() const {
  SysResult<int> number = OwnNumber();
  return number.ok() ? SysResult<bool>(*number > 0) : Errno(number.error());
}

}  // namespace sessionctl
