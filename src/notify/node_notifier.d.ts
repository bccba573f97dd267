/** The part of node-notifier 10 that is used; @types/node-notifier does not cover it. */
declare module "node-notifier/lib/utils.js" {
  /** Names options as notify-send does; seconds become milliseconds. Changes what it is given. */
  export function mapToNotifySend(options: Record<string, string | number>): Record<string, string | number>;
  export function constructArgumentList(
    options: Record<string, string | number>,
    extra: {
      readonly keyExtra: string;
      readonly allowedArguments: readonly string[];
      readonly noEscape: true;
      readonly wrapper: string;
    },
  ): string[];
}
