/** A socket as one sweep saw it. */

/** Which side opened a connection. `unknown` where nothing settles it. */
export type Direction = "connected" | "accepted" | "unknown";

export interface Endpoint {
  /** Canonical text, IPv4-mapped IPv6 shown as IPv4. */
  readonly address: string;
  readonly port: number;
}

/** TCP_INFO of the kernel, where it gives it (>= 4.19). */
export interface TrafficFacts {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** How long ago payload was last sent or received, milliseconds. */
  readonly lastSentAgoMs: number;
  readonly lastReceivedAgoMs: number;
}

export interface InternetSocket {
  readonly inode: number;
  readonly protocol: "tcp" | "udp" | "raw";
  readonly state:
    | "established"
    | "syn-sent"
    | "syn-received"
    | "fin-wait"
    | "time-wait"
    | "close-wait"
    | "closing"
    | "listen"
    | "bound"
    | "closed";
  readonly local: Endpoint;
  /** Absent for listeners and unconnected datagram sockets. */
  readonly remote?: Endpoint;
  /** Absent for sockets that have no remote end. */
  readonly direction?: Direction;
  readonly traffic?: TrafficFacts;
  readonly networkNamespace: number;
  readonly uid: number;
  /** Kernel cookie, unique for the life of the socket; 0 where only /proc/net was readable. */
  readonly cookie: bigint;
}

/** AF_PACKET: reads and writes what goes over an interface, below all protocols. */
export interface PacketSocket {
  readonly inode: number;
  /** With or without the link's own header. */
  readonly kind: "raw" | "datagram";
  /** Number of ETH_P_*: 3 is everything, 0 hears nothing (yet). */
  readonly protocol: number;
  readonly networkNamespace: number;
}

export interface UnixSocket {
  readonly inode: number;
  /** 0 where the socket is not connected or the peer is in another namespace. */
  readonly peerInode: number;
  readonly listening: boolean;
  /** Empty for unnamed ones; a leading `@` for abstract names. */
  readonly path: string;
}
