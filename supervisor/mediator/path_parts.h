// Paths as text, taken apart before anything is looked up: components, the last one, slashes, "..".
// Pure functions.
#ifndef SUPERVISOR_MEDIATOR_PATH_PARTS_H_
#define SUPERVISOR_MEDIATOR_PATH_PARTS_H_

#include <string>
#include <vector>

namespace sessionctl {

// The components of a path, without empty ones; "." is kept where it is the last, because there it
// asks for something: that the directory may be searched.
std::vector<std::string> PathComponents(const std::string& path);
// Whether it must be a directory for the sake of its end: "x/", "x/.", ".".
bool EndsWithSlash(const std::string& path);

bool HasDotDot(const std::string& path);
// What stands before the first "..", or all.
std::string UntilDotDot(const std::string& path);
// The components with single slashes between them, without any ".".
std::string WithoutDots(const std::string& path);

// "." for the place itself.
std::string OrDot(const std::string& path);

// Collapses "//" and "/./" up to the first "..", behind which a name may stand for a link and
// nothing is touched. Keeps a trailing slash. For absolute paths.
std::string NormalizeUntilDotDot(const std::string& path);

struct SplitPath {
  std::string directory;  // "" for the anchor itself
  std::string leaf;       // "" when the path has none
  bool trailing_slash;
};
SplitPath SplitLast(const std::string& path);

// The directory itself, but only if the caller may search it: the kernel asks for that before it
// comes to the last component, whatever is done with it.
std::string Searched(const std::string& directory);

// Takes a leading ".." away, if it is not all there is, or may be: then "." is left. The last
// component is somebody's to answer for where it is to be made or removed (trap 34).
bool TakeDotDot(bool may_be_last, std::string* path);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_PATH_PARTS_H_
