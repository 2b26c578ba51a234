// Path globs relative to a mount, matched component by component: `*` and `?` and `[...]` stay inside a
// component, `**` spans any number of them (also none). A pattern without a slash matches at any depth, as
// in gitignore; a leading slash anchors it at the mount's root. A match on a directory covers all below it.
// Immutable after construction; any thread.
#ifndef POLICY_GLOB_SET_H_
#define POLICY_GLOB_SET_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sessionctl {

class GlobSet {
 public:
  GlobSet() = default;
  // Errors: kInvalidArgument for an empty pattern, `..` or `.` as a component, an unclosed bracket, a NUL.
  static absl::StatusOr<GlobSet> Compile(const std::vector<std::string>& patterns);

  bool empty() const { return globs_.empty(); }

  // The pattern that covers `path` ("a/b/c", relative to the mount's root, no "." or ".."; "" is the root
  // itself) or one of its ancestors, or nullptr.
  const std::string* Match(std::string_view path) const;

  // True when every path that is covered beneath `from` would still be covered beneath `to` by the same
  // pattern: then a directory may be renamed from one to the other without uncovering anything. Sound for any
  // content: it compares the automaton's live states after `from` and after `to` (trap 39).
  bool StillCoveredAfterRename(std::string_view from, std::string_view to,
                               const std::string** uncovered) const;

 private:
  struct Glob {
    std::string pattern;
    std::vector<std::string> components;  // "**" stands alone
  };
  std::vector<Glob> globs_;
};

}  // namespace sessionctl

#endif  // POLICY_GLOB_SET_H_
