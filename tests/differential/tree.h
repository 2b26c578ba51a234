// What a program finds and leaves: the directory tree made from its `make` lines, the tree as it is
// afterwards in words, and its removal. By the driver, as root, with every right; paths of any
// length and directories of any mode.
#ifndef TESTS_DIFFERENTIAL_TREE_H_
#define TESTS_DIFFERENTIAL_TREE_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "tests/differential/program.h"

namespace differential {

// The directory `root` (made, 0755, the user's) and in it what the program asks for. All times are
// set to 2001, so that "was it changed?" can be seen later. False when a line has no meaning.
bool BuildTree(const Program& program, const Places& places, uid_t user);

// Path to everything that can be known of it: type, mode, owner, links, size, times, which names
// are one file, content, extended attributes.
using Snapshot = std::map<std::string, std::string>;
Snapshot TakeSnapshot(const std::string& root, int64_t started);

void RemoveTree(const std::string& root);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_TREE_H_
