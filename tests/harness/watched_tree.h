// A directory that nothing may touch: the authority on escapes. It holds the names that the
// testcases act on, with canary contents, and notices every effect on them: content, listing, mode,
// owner, times, extended attributes, link count, and, by the change time, an effect that was undone
// again.
#ifndef TESTS_HARNESS_WATCHED_TREE_H_
#define TESTS_HARNESS_WATCHED_TREE_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>

namespace harness {

// The content of the watched files; testcases/path_operations.h looks for it.
inline constexpr char kCanary[] = "CANARY-OUTSIDE\n";

// Fills `path` (made if missing) with the names that path_operations.h acts on. `content` goes into
// the files.
void PopulateScene(const std::string& path, const std::string& content);

class WatchedTree {
 public:
  // Populates and remembers. Everything in it belongs to `owner`, if given.
  explicit WatchedTree(std::string path, std::optional<uid_t> owner = std::nullopt);

  const std::string& path() const { return path_; }

  // Has anything been touched since the last call? Counts one escape if so, puts everything back
  // and remembers anew.
  bool CheckAndReset();

  long escapes() const { return escapes_; }
  // What the first escape looked like: one line a difference.
  const std::string& first_difference() const { return first_difference_; }

  // After a deliberate change from the test's side.
  void Remember();

 private:
  using Snapshot =
      std::map<std::string, std::string>;  // relative path → everything lstat and the content say
  Snapshot Take() const;
  void Populate();
  void Reset();

  std::string path_;
  std::optional<uid_t> owner_;
  Snapshot remembered_;
  long escapes_ = 0;
  std::string first_difference_;
};

}  // namespace harness

#endif  // TESTS_HARNESS_WATCHED_TREE_H_
