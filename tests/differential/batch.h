// Runs a batch of programs in one of the ways there are: bare, or in a session.
#ifndef TESTS_DIFFERENTIAL_BATCH_H_
#define TESTS_DIFFERENTIAL_BATCH_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/differential/program.h"
#include "tests/differential/shared_area.h"
#include "tests/differential/tree.h"

namespace differential {

// Whose gid the runs have besides the user's own; some of the directories belong to it.
inline constexpr gid_t kSecondGroup = 54321;
// Who owns what lies around the programs' directories, and whatever is "somebody else's".
inline constexpr uid_t kStranger = 54322;

struct Setting {
  std::string sessionctl;
  std::string executor;
  std::string scratch;  // where to work; "": $TMPDIR or /tmp
  uid_t user = 0;
  bool private_view = false;              // of the sessions; else the host's
  std::string lie;                        // see executor_main.cc; in sessions only
  std::vector<std::string> session_args;  // further ones for `sessionctl run`
};

enum class Way { kBare, kWrites, kAll };
inline constexpr Way kAllWays[] = {Way::kBare, Way::kWrites, Way::kAll};
const char* WayName(Way way);

// What came of one program.
struct Run {
  ProgramResult result = {};
  Snapshot tree;
  bool private_view = false;  // in a session with a view of its own
  bool native_reads = false;  // the kernel alone carries out what only reads
};

class Batch {
 public:
  explicit Batch(const Setting& setting);
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // At most kMaxPrograms. False, with a line on standard error, when the run itself failed.
  bool RunAll(const std::vector<Program>& programs, Way way, std::vector<Run>* runs);

 private:
  std::string ProgramRoot(size_t index) const;
  std::vector<std::string> CommandLine(Way way) const;
  bool Execute(Way way);
  bool NothingAroundMount() const;

  const Setting setting_;
  std::string scratch_;
  std::vector<std::string> around_;  // the directories on the way to the mount
  std::string mount_;
  std::string executor_;
  int shared_fd_ = -1;
  int sessionctl_fd_ = -1;
  SharedArea* area_ = nullptr;
};

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_BATCH_H_
