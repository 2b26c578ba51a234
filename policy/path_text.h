// Paths as text: nothing here looks at a file system, so nothing here may decide where a path
// really leads. Any thread.
#ifndef POLICY_PATH_TEXT_H_
#define POLICY_PATH_TEXT_H_

#include <string>
#include <string_view>

namespace sessionctl {

// An absolute path without ".", "..", doubled or trailing slashes.
std::string NormalizeLexically(std::string_view path);

// Whether canonical `path` is `root` or lies below it.
bool IsAtOrBelow(std::string_view path, std::string_view root);

}  // namespace sessionctl

#endif  // POLICY_PATH_TEXT_H_
