// Which lines of one text are in another, by libdtl; as the hunks of a unified diff. Pure. Time and
// memory are bounded whatever the texts are: then the difference is right, but not the shortest.
#ifndef SUPERVISOR_OVERLAY_LINE_DIFF_H_
#define SUPERVISOR_OVERLAY_LINE_DIFF_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace sessionctl {

struct LineDiff {
  size_t added = 0, removed = 0;  // lines
  std::string hunks;  // "@@ -1,2 +1,3 @@" …, with three lines around; "" for equal texts
};
LineDiff DiffLines(std::string_view before, std::string_view after);

// By git's rule: a NUL among the first 8,000 bytes.
bool IsBinary(std::string_view content);

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_LINE_DIFF_H_
