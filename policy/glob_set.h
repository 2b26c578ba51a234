// Path globs relative to a mount, matched component by component: `*` and `?` and `[...]` stay
// inside a component (and count bytes), `**` spans any number of them (also none), `\` takes the
// next byte literally. A pattern without a slash matches at any depth, as in gitignore; a leading
// or inner slash anchors it at the mount's root; a trailing slash changes nothing. A match on a
// directory covers all below it. Immutable after construction; any thread.
//
// All patterns share one automaton over components, so that a match costs a hash lookup a live
// state and not one comparison a pattern, and no pattern can make it recurse or backtrack across
// components.
#ifndef POLICY_GLOB_SET_H_
#define POLICY_GLOB_SET_H_

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"

namespace sessionctl {

class GlobSet {
 public:
  GlobSet() = default;
  // Errors: kInvalidArgument for an empty pattern, `..` or `.` as a component, a leading `!`, an
  // unclosed bracket, a backslash at the end, a NUL.
  static absl::StatusOr<GlobSet> Compile(const std::vector<std::string>& patterns);

  bool empty() const { return patterns_.empty(); }

  // The pattern that covers `path` ("a/b/c", relative to the mount's root, no "." or ".."; "" is
  // the root itself) or one of its ancestors, or nullptr. Of several, the one listed first among
  // those that cover the highest ancestor.
  const std::string* Match(std::string_view path) const;

  // True when every path that is covered beneath `from` would still be covered beneath `to`: then a
  // directory may be renamed from one to the other without uncovering anything. Sound for any
  // content: it compares the automaton's live states after `from` and after `to` (trap 39). When
  // false, `*uncovered` (may be null) is a pattern that would lose its hold.
  bool StillCoveredAfterRename(std::string_view from, std::string_view to,
                               const std::string** uncovered) const;

 private:
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Wildcard {
    std::string pattern;  // one component with at least one of * ? [ or a backslash
    std::string tail;     // what a match must end with: the bytes after the last special one
    int node;
  };
  // A state: what of the patterns has matched so far. Every node lies on the way to a pattern's
  // end.
  struct Node {
    std::unordered_map<std::string, int, StringHash, std::equal_to<>> literals;
    std::vector<Wildcard> wildcards;
    std::unordered_map<std::string, int> wildcard_nodes;  // the same by pattern, for Add
    int any_depth = -1;         // the node of a following "**", live at once
    bool is_any_depth = false;  // stays live whatever component comes
    int accepts = -1;           // the first pattern that ends here
    int leads_to = -1;          // the first pattern that passes through here
  };
  using States = std::vector<int>;  // sorted, without duplicates

  void Add(const std::vector<std::string>& components);
  int Child(int node, const std::string& component);
  void Enter(int node, States* states) const;
  States Step(const States& states, std::string_view component) const;
  int Accepted(const States& states) const;
  // The states after `path`; stops early, with `*accepted` set, at an ancestor that is covered.
  States Run(std::string_view path, int* accepted) const;

  std::vector<std::string> patterns_;
  std::vector<Node> nodes_;
};

}  // namespace sessionctl

#endif  // POLICY_GLOB_SET_H_
