// What the kernel says about a name before it asks for any permission. A handler that refuses by a
// rule asks this first, so that the answer is that of a read-only file system.
#ifndef SUPERVISOR_MEDIATOR_HANDLERS_NAMES_H_
#define SUPERVISOR_MEDIATOR_HANDLERS_NAMES_H_

#include "supervisor/mediator/path_resolver.h"

namespace sessionctl {

// For a name that is to be made (filename_create, fs/namei.c): EEXIST where something stands,
// ENOENT where only a directory could be made (`directory`: one is) or nothing at all, what is
// wrong with the name itself; 0: none of these.
int ErrorOfNewName(const PinnedParent& parent, bool directory);

// For a name that is to be moved or removed: what is wrong with looking it up (ENOENT …); 0 where
// something stands.
int ErrorOfOldName(const PinnedParent& parent);

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_HANDLERS_NAMES_H_
