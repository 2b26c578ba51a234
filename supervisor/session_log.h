// output.log: what a session writes, in files of a bounded size: output.log, before it
// output.log.1, output.log.2 …. The monitor writes; anybody who may read the directory reads. A
// reader that follows sees every byte once, in order, unless it is so slow that the file it reads
// is dropped.
#ifndef SUPERVISOR_SESSION_LOG_H_
#define SUPERVISOR_SESSION_LOG_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

// How much is kept.
struct LogRule {
  int64_t max_bytes = int64_t{16} << 20;  // a file
  int max_files = 2;                      // output.log included
};
inline constexpr int kMaxLogFiles = 100;
inline constexpr int64_t kMinLogBytes = 4096;

class SessionLog {
 public:
  // Makes output.log in the session's directory, which must stay open. The rule is brought into its
  // bounds. Errors: those of CreateLogBeneath.
  static SysResult<SessionLog> Create(int directory, const LogRule& rule);

  // Never fails: what a full disk does not take is lost, and counted.
  void Append(std::string_view data);
  // Bytes in all. What the log has lost is not among them.
  uint64_t written() const { return written_; }
  uint64_t lost() const { return lost_; }
  // The bytes from `first_kept()` to `written()` can still be read: those from `offset` on, at most
  // `most`. Empty: there are none, or none any more.
  uint64_t first_kept() const;
  std::string ReadAt(uint64_t offset, size_t most) const;

 private:
  SessionLog(int directory, const LogRule& rule, OwnedFd file);
  SysStatus Rotate();
  SysStatus WriteStarts(ino_t next) const;
  size_t Write(std::string_view data);

  int directory_;
  LogRule rule_;
  OwnedFd file_;
  std::deque<uint64_t> sizes_ = {0};  // of output.log, output.log.1 …
  std::deque<ino_t> inodes_;          // the same files
  uint64_t written_ = 0;
  uint64_t lost_ = 0;
};

// Reads from the oldest file on, and goes on where the log goes on.
class SessionLogReader {
 public:
  // `directory` must stay open.
  explicit SessionLogReader(int directory) : directory_(directory) {}

  // Begins `most` bytes before the end instead. Before the first Read.
  SysStatus SeekToTail(uint64_t most);
  // Begins at that byte of all that the session has written, or at the first one of those behind it
  // that is still kept. Before the first Read.
  SysStatus SeekTo(uint64_t offset);
  // Where the next Read begins, counted from the first byte that the session has written. A Read
  // whose bytes do not end there has skipped what was dropped under the reader. Not after
  // SeekToTail.
  uint64_t position() const { return position_; }
  // The next bytes, at most `most`; empty when there are no more at this moment. Errors: ENOENT (no
  // log), and those of open(2) and read(2).
  SysResult<std::string> Read(size_t most);

 private:
  SysStatus OpenFirst();
  SysResult<int> OwnNumber() const;
  SysResult<bool> HasNext() const;
  SysResult<bool> OpenNext();
  SysStatus FindStart();

  int directory_;
  OwnedFd file_;
  uint64_t position_ = 0;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_LOG_H_
