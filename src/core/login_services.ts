/** Programs whose purpose is to hand a logged-in person a shell. Their sessions are the session scanner's business. */
const LOGIN_SERVICES: ReadonlySet<string> = new Set([
  "sshd",
  "sshd-session",
  "sshd-auth",
  "dropbear",
  "in.telnetd",
  "telnetd",
  "login",
  "mosh-server",
  "tailscaled",
]);

export function isLoginServiceName(name: string): boolean {
  return LOGIN_SERVICES.has(name);
}
