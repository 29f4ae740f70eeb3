# cython: language_level=3, boundscheck=True, wraparound=False
"""recvmmsg and sendmmsg on a Batch; knows no DNS. Raw pointers live here and nowhere else.

One system call receives up to a batch of packets, another sends all replies whose verdict is HIT. The message
headers are prepared once and point into the batch's own memory. `sockets_py.py` is the same in plain Python.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef extern from "sys/socket.h" nogil:
    ctypedef unsigned int socklen_t
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    ssize_t sendmsg(int fd, const msghdr *message, int flags)
    int MSG_DONTWAIT
    int MSG_TRUNC
    int AF_INET

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sys/socket.h>
    #include <netinet/in.h>
    """
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int recvmmsg(int fd, mmsghdr *messages, unsigned int count, int flags, void *timeout) nogil
    int sendmmsg(int fd, mmsghdr *messages, unsigned int count, int flags) nogil

cdef enum:
    CLIENT_SIZE = 28
    CONTROL_SIZE = 64
    HIT = 1


def is_compiled():
    """True: this module exists only compiled."""
    return True


cdef class Endpoint:
    """One UDP socket and the batch it fills. `packet_info`: replies leave from the address that was asked."""

    cdef int fd
    cdef Py_ssize_t capacity, query_size, reply_size
    cdef Py_buffer views[6]
    cdef int held
    cdef unsigned char *queries
    cdef int *query_lengths
    cdef unsigned char *replies
    cdef int *reply_lengths
    cdef unsigned char *clients
    cdef unsigned char *verdicts
    cdef unsigned char *controls
    cdef mmsghdr *incoming
    cdef mmsghdr *outgoing
    cdef iovec *in_vectors
    cdef iovec *out_vectors
    cdef bint packet_info
    cdef readonly unsigned long long refused

    def __cinit__(self, int fd, batch, bint packet_info):
        cdef Py_ssize_t i
        self.held = 0
        self.incoming = self.outgoing = NULL
        self.in_vectors = self.out_vectors = NULL
        self.controls = NULL
        self.fd = fd
        self.packet_info = packet_info
        self.refused = 0
        self.capacity, self.query_size, self.reply_size = batch.sizes()
        sizes = (
            self.capacity * self.query_size, 4 * self.capacity, self.capacity * self.reply_size, 4 * self.capacity,
            self.capacity * CLIENT_SIZE, self.capacity,
        )
        for i, buffer in enumerate(batch.buffers()):
            PyObject_GetBuffer(buffer, &self.views[i], PyBUF_SIMPLE | PyBUF_WRITABLE)
            self.held += 1
            if self.views[i].len != sizes[i]:
                raise ValueError("the batch's buffers don't have the sizes it says")
        self.queries = <unsigned char *>self.views[0].buf
        self.query_lengths = <int *>self.views[1].buf
        self.replies = <unsigned char *>self.views[2].buf
        self.reply_lengths = <int *>self.views[3].buf
        self.clients = <unsigned char *>self.views[4].buf
        self.verdicts = <unsigned char *>self.views[5].buf
        self.incoming = <mmsghdr *>calloc(self.capacity, sizeof(mmsghdr))
        self.outgoing = <mmsghdr *>calloc(self.capacity, sizeof(mmsghdr))
        self.in_vectors = <iovec *>calloc(self.capacity, sizeof(iovec))
        self.out_vectors = <iovec *>calloc(self.capacity, sizeof(iovec))
        self.controls = <unsigned char *>calloc(self.capacity, CONTROL_SIZE)
        if not (self.incoming and self.outgoing and self.in_vectors and self.out_vectors and self.controls):
            raise MemoryError
        for i in range(self.capacity):
            self.in_vectors[i].iov_base = self.queries + i * self.query_size
            self.in_vectors[i].iov_len = self.query_size
            self.incoming[i].msg_hdr.msg_name = self.clients + i * CLIENT_SIZE
            self.incoming[i].msg_hdr.msg_namelen = CLIENT_SIZE
            self.incoming[i].msg_hdr.msg_iov = &self.in_vectors[i]
            self.incoming[i].msg_hdr.msg_iovlen = 1
            self.outgoing[i].msg_hdr.msg_iov = &self.out_vectors[i]
            self.outgoing[i].msg_hdr.msg_iovlen = 1
            if packet_info:
                self.incoming[i].msg_hdr.msg_control = self.controls + i * CONTROL_SIZE
                self.incoming[i].msg_hdr.msg_controllen = CONTROL_SIZE

    def __dealloc__(self):
        cdef int i
        for i in range(self.held):
            PyBuffer_Release(&self.views[i])
        free(self.incoming)
        free(self.outgoing)
        free(self.in_vectors)
        free(self.out_vectors)
        free(self.controls)

    def receive(self):
        """Fill the batch with what is waiting; how many packets. Never blocks. OSError if the socket is broken."""
        cdef int n, i
        with nogil:
            n = recvmmsg(self.fd, self.incoming, self.capacity, MSG_DONTWAIT, NULL)
        if n < 0:
            if errno == EAGAIN or errno == EINTR:
                return 0
            # An ICMP error of an earlier reply may be reported here; the packets behind it are still waiting.
            raise OSError(errno, "recvmmsg failed")
        for i in range(n):
            self.query_lengths[i] = self.incoming[i].msg_len
            # A packet that did not fit is not a DNS query: length 0 makes the engine drop it.
            if self.incoming[i].msg_hdr.msg_flags & MSG_TRUNC:
                self.query_lengths[i] = 0
        return n

    def send(self, int count):
        """Send the replies of packets 0 … count - 1 whose verdict is HIT; how many the kernel would not take."""
        cdef int i, n = 0, sent = 0, done, failed = 0
        cdef mmsghdr *message
        if count < 0 or count > self.capacity:
            raise ValueError("count is outside the batch")
        for i in range(count):
            message = &self.incoming[i]
            if self.verdicts[i] == HIT:
                if self.reply_lengths[i] < 0 or self.reply_lengths[i] > self.reply_size:
                    raise ValueError("a reply is longer than its place")
                self.out_vectors[n].iov_base = self.replies + i * self.reply_size
                self.out_vectors[n].iov_len = self.reply_lengths[i]
                self.outgoing[n].msg_hdr.msg_name = self.clients + i * CLIENT_SIZE
                self.outgoing[n].msg_hdr.msg_namelen = message.msg_hdr.msg_namelen
                if self.packet_info:
                    self._answer_from(&message.msg_hdr, &self.outgoing[n].msg_hdr)
                n += 1
        with nogil:
            while sent < n:
                done = sendmmsg(self.fd, self.outgoing + sent, n - sent, MSG_DONTWAIT)
                if done > 0:
                    sent += done
                elif errno != EINTR:
                    # The first of the rest can't be sent (buffer full, unreachable, filtered): go on after it.
                    failed += 1
                    sent += 1
        for i in range(count):
            self.incoming[i].msg_hdr.msg_namelen = CLIENT_SIZE
            if self.packet_info:
                self.incoming[i].msg_hdr.msg_controllen = CONTROL_SIZE
        self.refused += failed
        return failed

    def source(self, int i):
        """Where packet `i` was sent to, for `send_one`; b"" unless replies have to leave from there. Before `send`."""
        cdef msghdr answer
        if i < 0 or i >= self.capacity:
            raise ValueError("no such place in the batch")
        if not self.packet_info:
            return b""
        self._answer_from(&self.incoming[i].msg_hdr, &answer)
        if answer.msg_control == NULL or answer.msg_controllen > CONTROL_SIZE:
            return b""
        return (<unsigned char *>answer.msg_control)[:answer.msg_controllen]

    def send_one(self, bytes reply, bytes client, bytes source=b""):
        """Send one reply that got ready later; False if the kernel would not take it. `source` as given for its query."""
        cdef msghdr message
        cdef iovec vector
        cdef ssize_t done
        if len(client) != CLIENT_SIZE:
            raise ValueError("client is not a socket address of a batch")
        memset(&message, 0, sizeof(msghdr))
        vector.iov_base = <unsigned char *>reply
        vector.iov_len = len(reply)
        message.msg_iov = &vector
        message.msg_iovlen = 1
        message.msg_name = <unsigned char *>client
        message.msg_namelen = 16 if client[0] == AF_INET else CLIENT_SIZE
        if source:
            message.msg_control = <unsigned char *>source
            message.msg_controllen = len(source)
        done = sendmsg(self.fd, &message, MSG_DONTWAIT)
        if done < 0:
            self.refused += 1
        return done >= 0

    cdef void _answer_from(self, msghdr *asked, msghdr *reply) noexcept:
        """Hand the received packet-info message back: its address field is where the query was sent to.

        For IPv4 the kernel takes the source address of a reply from ipi_spec_dst, which it has filled in as the
        local address; the interface index is cleared so that routing stays free to choose the way.
        """
        cdef cmsghdr *header = <cmsghdr *>asked.msg_control
        if asked.msg_controllen >= sizeof(cmsghdr) and header.cmsg_len <= CONTROL_SIZE:
            if header.cmsg_level == 0:  # IPPROTO_IP, IP_PKTINFO: the index comes first
                memset(<unsigned char *>asked.msg_control + sizeof(cmsghdr), 0, 4)
            reply.msg_control = asked.msg_control
            reply.msg_controllen = asked.msg_controllen
        else:
            reply.msg_control = NULL
            reply.msg_controllen = 0
