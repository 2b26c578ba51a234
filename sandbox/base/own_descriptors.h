// /proc/self/fd, held open: naming or reopening a descriptor through it costs two thirds of what
// the absolute path costs, and the broker does that several times a call (docs/performance.md).
#ifndef SANDBOX_BASE_OWN_DESCRIPTORS_H_
#define SANDBOX_BASE_OWN_DESCRIPTORS_H_

namespace sessionctl {

// Opens it for the calling process, once. A child, however it was made, does not inherit the
// knowledge (the directory would still be its parent's). Before the first other thread. False: it
// cannot be opened; then everybody goes by the absolute path.
bool HoldOwnDescriptors();

// The held directory, or -1. Any thread.
int OwnDescriptorsDirectory();

// Makes it the working directory, for good, of the calling process and of threads that it makes
// later: for a process that cannot name it any more. Then FdPath::c_str() is relative. False: none
// is held.
bool StandInOwnDescriptors();

// Back to where the calling thread stood before it entered a directory of somebody else's: "/", or
// the held directory. False: errno says why.
bool LeaveDirectory();

// Is it the working directory of all threads?
bool StandsInOwnDescriptors();

}  // namespace sessionctl

#endif  // SANDBOX_BASE_OWN_DESCRIPTORS_H_
