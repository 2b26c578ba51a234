#include "supervisor/overlay/line_diff.h"

#include <algorithm>
#include <dtl/dtl.hpp>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sessionctl {
namespace {

constexpr size_t kContext = 3;
// More steps than that are not searched: then what differs is told as one block.
constexpr size_t kMaxCells = size_t{16} << 20;

std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

enum class Edit : char { kKeep = ' ', kRemove = '-', kAdd = '+' };

// The edits between two sequences of numbers.
std::vector<Edit> FindEdits(const std::vector<int>& before, const std::vector<int>& after) {
  std::vector<Edit> edits;
  if (before.empty() || after.empty() || before.size() > kMaxCells / after.size()) {
    edits.insert(edits.end(), before.size(), Edit::kRemove);
    edits.insert(edits.end(), after.size(), Edit::kAdd);
    return edits;
  }
  dtl::Diff<int, std::vector<int>> diff(before, after);
  diff.compose();
  for (const auto& [number, info] : diff.getSes().getSequence()) {
    edits.push_back(info.type == dtl::SES_DELETE ? Edit::kRemove
                    : info.type == dtl::SES_ADD  ? Edit::kAdd
                                                 : Edit::kKeep);
  }
  return edits;
}

// What begins and ends alike is not searched.
std::vector<Edit> Edits(const std::vector<std::string_view>& before,
                        const std::vector<std::string_view>& after) {
  const size_t shorter = std::min(before.size(), after.size());
  size_t head = 0, tail = 0;
  while (head < shorter && before[head] == after[head]) ++head;
  while (tail < shorter - head &&
         before[before.size() - 1 - tail] == after[after.size() - 1 - tail]) {
    ++tail;
  }
  std::unordered_map<std::string_view, int> numbers;
  const auto numbered = [&](const std::vector<std::string_view>& lines) {
    std::vector<int> result;
    for (size_t index = head; index < lines.size() - tail; ++index) {
      result.push_back(numbers.emplace(lines[index], numbers.size()).first->second);
    }
    return result;
  };
  const std::vector<int> one = numbered(before), two = numbered(after);
  std::vector<Edit> edits(head, Edit::kKeep);
  const std::vector<Edit> middle = FindEdits(one, two);
  edits.insert(edits.end(), middle.begin(), middle.end());
  edits.insert(edits.end(), tail, Edit::kKeep);
  return edits;
}

std::string Range(size_t begin, size_t count) {
  // A range of no lines is named by the line before it.
  return absl::StrCat(count == 0 ? begin : begin + 1, ",", count);
}

struct Hunk {
  size_t begin = 0, end = 0;  // in the edits
};

// The edits that are no kKeep, with what is around them.
std::vector<Hunk> FindHunks(const std::vector<Edit>& edits) {
  std::vector<Hunk> hunks;
  for (size_t index = 0; index < edits.size(); ++index) {
    if (edits[index] == Edit::kKeep) continue;
    const size_t begin = index < kContext ? 0 : index - kContext;
    const size_t end = std::min(index + 1 + kContext, edits.size());
    if (!hunks.empty() && begin <= hunks.back().end) {
      hunks.back().end = end;
    } else {
      hunks.push_back({begin, end});
    }
  }
  return hunks;
}

}  // namespace

LineDiff DiffLines(std::string_view before, std::string_view after) {
  const std::vector<std::string_view> old_lines = SplitLines(before), new_lines = SplitLines(after);
  const std::vector<Edit> edits = Edits(old_lines, new_lines);
  LineDiff diff;
  size_t index = 0, old_line = 0, new_line = 0;
  for (const Hunk& hunk : FindHunks(edits)) {
    for (; index < hunk.begin; ++index, ++old_line, ++new_line) {
    }
    const size_t old_begin = old_line, new_begin = new_line;
    std::string text;
    for (; index < hunk.end; ++index) {
      const Edit edit = edits[index];
      const std::string_view line = edit == Edit::kAdd ? new_lines[new_line] : old_lines[old_line];
      text.push_back(static_cast<char>(edit));
      text.append(line);
      if (line.back() != '\n') text.append("\n\\ No newline at end of file\n");
      old_line += edit != Edit::kAdd ? 1 : 0;
      new_line += edit != Edit::kRemove ? 1 : 0;
      diff.added += edit == Edit::kAdd ? 1 : 0;
      diff.removed += edit == Edit::kRemove ? 1 : 0;
    }
    absl::StrAppend(&diff.hunks, "@@ -", Range(old_begin, old_line - old_begin), " +",
                    Range(new_begin, new_line - new_begin), " @@\n", text);
  }
  return diff;
}

bool IsBinary(std::string_view content) {
  return content.substr(0, 8000).find('\0') != std::string_view::npos;
}

}  // namespace sessionctl
