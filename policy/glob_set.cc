#include "policy/glob_set.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"

namespace sessionctl {
namespace {

constexpr const char* kSpecialBytes = "*?[]\\";

// Reads the bracket expression that begins at `*position` (on the '['), advances behind its ']' and
// says whether `byte` is in it. nullopt: it is not closed.
std::optional<bool> MatchBracket(std::string_view pattern, size_t* position, unsigned char byte) {
  size_t i = *position + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); first = false) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    const auto low = static_cast<unsigned char>(pattern[i++]);
    auto high = low;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      if (pattern[i + 1] == '\\' && i + 2 < pattern.size()) ++i;
      high = static_cast<unsigned char>(pattern[i + 1]);
      i += 2;
    }
    found = found || (low <= byte && byte <= high);
  }
  if (i >= pattern.size()) return std::nullopt;
  *position = i + 1;
  return found != negated;
}

// Whether the pattern's next element, anything but a star, takes `byte`; advances `*position`
// behind it if so.
bool TakesByte(std::string_view pattern, size_t* position, char byte) {
  switch (pattern[*position]) {
    case '?': ++*position; return true;
    case '[': {
      size_t after = *position;
      if (!MatchBracket(pattern, &after, static_cast<unsigned char>(byte)).value_or(false)) {
        return false;
      }
      *position = after;
      return true;
    }
    case '\\':
      if (*position + 1 >= pattern.size() || pattern[*position + 1] != byte) return false;
      *position += 2;
      return true;
    default:
      if (pattern[*position] != byte) return false;
      ++*position;
      return true;
  }
}

// One component against one pattern component. Only the last star is ever tried again, so the time
// is bounded by the product of the lengths.
bool MatchComponent(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && TakesByte(pattern, &p, text[t])) {
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

absl::Status CheckComponent(std::string_view component) {
  if (component == "." || component == "..") {
    return absl::InvalidArgumentError("a glob cannot have . or .. as a component");
  }
  for (size_t i = 0; i < component.size();) {
    if (component[i] == '\\') {
      if (i + 1 == component.size()) {
        return absl::InvalidArgumentError("a backslash with nothing behind it");
      }
      i += 2;
    } else if (component[i] == '[') {
      if (!MatchBracket(component, &i, 0).has_value()) {
        return absl::InvalidArgumentError("a bracket that is not closed");
      }
    } else {
      ++i;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SplitPattern(const std::string& pattern) {
  if (pattern.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("a NUL byte in a glob");
  }
  if (!pattern.empty() && pattern[0] == '!') {
    return absl::InvalidArgumentError(
        "a glob cannot begin with !: denies never shrink (write \\! for a name that begins so)");
  }
  std::vector<std::string> components;
  for (size_t begin = 0; begin < pattern.size();) {
    const size_t end = std::min(pattern.find('/', begin), pattern.size());
    if (end > begin) components.push_back(pattern.substr(begin, end - begin));
    begin = end + 1;
  }
  if (components.empty()) return absl::InvalidArgumentError("an empty glob");
  for (const std::string& component : components) {
    if (absl::Status status = CheckComponent(component); !status.ok()) return status;
  }
  const bool anchored = pattern.find('/') < pattern.find_last_not_of('/');
  if (!anchored) components.insert(components.begin(), "**");
  return components;
}

}  // namespace

absl::StatusOr<GlobSet> GlobSet::Compile(const std::vector<std::string>& patterns) {
  GlobSet set;
  set.nodes_.emplace_back();
  for (const std::string& pattern : patterns) {
    absl::StatusOr<std::vector<std::string>> components = SplitPattern(pattern);
    if (!components.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("glob \"", pattern, "\": ", components.status().message()));
    }
    set.patterns_.push_back(pattern);
    set.Add(*components);
  }
  return set;
}

void GlobSet::Add(const std::vector<std::string>& components) {
  const int pattern = static_cast<int>(patterns_.size()) - 1;
  int node = 0;
  if (nodes_[node].leads_to < 0) nodes_[node].leads_to = pattern;
  for (const std::string& component : components) {
    node = Child(node, component);
    if (nodes_[node].leads_to < 0) nodes_[node].leads_to = pattern;
  }
  if (nodes_[node].accepts < 0) nodes_[node].accepts = pattern;
}

int GlobSet::Child(int node, const std::string& component) {
  const int fresh = static_cast<int>(nodes_.size());
  if (component == "**") {
    if (nodes_[node].is_any_depth) return node;
    if (nodes_[node].any_depth >= 0) return nodes_[node].any_depth;
    nodes_[node].any_depth = fresh;
    nodes_.emplace_back().is_any_depth = true;
    return fresh;
  }
  const size_t last_special = component.find_last_of(kSpecialBytes);
  if (last_special == std::string::npos) {
    const auto [found, inserted] = nodes_[node].literals.try_emplace(component, fresh);
    const int child = found->second;
    if (inserted) nodes_.emplace_back();
    return child;
  }
  const auto [found, inserted] = nodes_[node].wildcard_nodes.try_emplace(component, fresh);
  const int child = found->second;
  if (inserted) {
    nodes_[node].wildcards.push_back({component, component.substr(last_special + 1), fresh});
    nodes_.emplace_back();
  }
  return child;
}

void GlobSet::Enter(int node, States* states) const {
  states->push_back(node);
  if (nodes_[node].any_depth >= 0) states->push_back(nodes_[node].any_depth);
}

GlobSet::States GlobSet::Step(const States& states, std::string_view component) const {
  States next;
  for (const int state : states) {
    const Node& node = nodes_[state];
    if (node.is_any_depth) next.push_back(state);
    if (const auto literal = node.literals.find(component); literal != node.literals.end()) {
      Enter(literal->second, &next);
    }
    for (const Wildcard& wildcard : node.wildcards) {
      if (component.ends_with(wildcard.tail) && MatchComponent(wildcard.pattern, component)) {
        Enter(wildcard.node, &next);
      }
    }
  }
  std::sort(next.begin(), next.end());
  next.erase(std::unique(next.begin(), next.end()), next.end());
  return next;
}

int GlobSet::Accepted(const States& states) const {
  int first = -1;
  for (const int state : states) {
    const int pattern = nodes_[state].accepts;
    if (pattern >= 0 && (first < 0 || pattern < first)) first = pattern;
  }
  return first;
}

GlobSet::States GlobSet::Run(std::string_view path, int* accepted) const {
  States states;
  Enter(0, &states);
  *accepted = Accepted(states);
  for (size_t begin = 0; begin < path.size() && *accepted < 0 && !states.empty();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) {
      states = Step(states, path.substr(begin, end - begin));
      *accepted = Accepted(states);
    }
    begin = end + 1;
  }
  return states;
}

const std::string* GlobSet::Match(std::string_view path) const {
  if (empty()) return nullptr;
  int accepted = -1;
  Run(path, &accepted);
  return accepted >= 0 ? &patterns_[accepted] : nullptr;
}

bool GlobSet::StillCoveredAfterRename(std::string_view from, std::string_view to,
                                      const std::string** uncovered) const {
  if (empty()) return true;
  int from_accepted = -1;
  int to_accepted = -1;
  const States before = Run(from, &from_accepted);
  const States after = Run(to, &to_accepted);
  if (to_accepted >= 0) return true;  // all of it is covered
  int lost = from_accepted;
  for (size_t i = 0; lost < 0 && i < before.size(); ++i) {
    if (!std::binary_search(after.begin(), after.end(), before[i])) {
      lost = nodes_[before[i]].leads_to;
    }
  }
  if (lost < 0) return true;
  if (uncovered != nullptr) *uncovered = &patterns_[lost];
  return false;
}

}  // namespace sessionctl
