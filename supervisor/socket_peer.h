// Who has connected to a control socket of ours.
#ifndef SUPERVISOR_SOCKET_PEER_H_
#define SUPERVISOR_SOCKET_PEER_H_

namespace sessionctl {

// May the process that connected `socket` (AF_UNIX) tell us what to do? Our own user and root may,
// unless they are confined more than we are: a session, or a broker that was taken over, which have
// seccomp filters that we do not have. Landlock has no right for connecting to socket files, so
// this is what keeps them from having something started outside. A process that has gone since may
// not either.
bool PeerMayCommand(int socket);

// The same whoever's process it is: for who asks on behalf of others.
bool PeerIsUnconfined(int socket);

}  // namespace sessionctl

#endif  // SUPERVISOR_SOCKET_PEER_H_
