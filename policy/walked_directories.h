// The directories that decide what a path means: whoever may write in one of them can put a link
// there, and so lead the path elsewhere.
#ifndef POLICY_WALKED_DIRECTORIES_H_
#define POLICY_WALKED_DIRECTORIES_H_

#include <string>
#include <vector>

namespace sessionctl {

// The real path of every directory in which a walk along the absolute `path` looks up a name, those
// on the way of links included. What does not exist is taken for what it may become: a directory.
// Ends where the kernel would refuse to go on (40 links).
std::vector<std::string> WalkedDirectories(const std::string& path);

struct WalkedLink {
  std::string path;  // its directory's real path, and its name
  std::string text;
};
// The symbolic links that such a walk follows, in order.
std::vector<WalkedLink> WalkedLinks(const std::string& path);

}  // namespace sessionctl

#endif  // POLICY_WALKED_DIRECTORIES_H_
