// Every word that a person reads. Sentences about errors say what to do; their keys are the stable codes.

const count = (n: number, one: string, many: string) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

export const app = {
  name: 'Kez Chat',
  loading: 'Opening Kez Chat…',
  working: 'One moment…',
  back: 'Back',
  cancel: 'Cancel',
  close: 'Close',
  continue: 'Continue',
  copy: 'Copy',
  copied: 'Copied',
  show: 'Show',
  hide: 'Hide',
  retry: 'Try again',
  titled: (unread: number) => (unread > 0 ? `(${unread}) Kez Chat` : 'Kez Chat'),
  crashed: 'This page stopped working',
  crashedText: 'Nothing is lost: your messages are kept on this device. Load the page again.',
  reload: 'Load again',
  updateReady: 'A new version is ready.',
  update: 'Update now',
};

export const insecure = {
  title: 'This address isn’t private',
  text: 'Your browser keeps what Kez Chat needs to protect your key — encryption, storage, background work — from pages that come without HTTPS.',
  address: 'You are at',
  whatToDo: 'What to do',
  https: 'Open the same address with https://',
  local: 'On the computer that runs the server, open it as localhost',
  operator: 'If you run this server, put it behind HTTPS: its guide has a section on that.',
};

export const welcome = {
  title: 'Chat that is yours alone',
  lead: 'Messages are sealed on your device, for one person’s key. The server carries them and can’t read them.',
  create: 'Create account',
  restore: 'Restore account',
  server: (name: string) => `You are joining ${name}`,
  serverAway: 'The server doesn’t answer at the moment. Check your connection, then load this page again.',
  points: [
    'No phone number, no e-mail address',
    'One key is your account, on any device',
    'Twelve words bring your account back',
  ],
};

export const create = {
  title: 'Create your account',
  lead: 'A handle is how people find you. A passphrase keeps your key safe on this device.',
  handle: 'Handle',
  handleHint: '3 to 32 letters, digits, - or _',
  passphrase: 'Passphrase',
  passphraseHint: 'Asked for when you come back. It never leaves this device.',
  suggest: 'Suggest one',
  checking: 'Looking…',
  free: (name: string) => `${name} is free`,
  taken: (name: string) => `${name} is taken. Try another one.`,
  reserved: (name: string) => `${name} is kept for the server. Try another one.`,
  invalid: 'Use 3 to 32 letters, digits, - or _. Begin with a letter or a digit.',
  strength: { short: 'Too short', weak: 'Weak', fair: 'Fair', strong: 'Strong' },
  strengthHint: {
    short: 'Take 8 characters or more; four or five words that don’t belong together are best.',
    weak: 'Easy to guess. Add a word or two.',
    fair: 'Good enough against a thief with little time. Another word makes it strong.',
    strong: 'Hard to guess, even for somebody who has this device.',
  },
};

export const phrase = {
  title: 'Write down your recovery phrase',
  lead: 'These words are your account. With them you get back in from any device; without them nobody can help you.',
  warning: 'Whoever has these words is you. Keep them on paper, away from this device.',
  label: 'Your words',
  twelve: '12 words',
  twentyFour: '24 words',
  length: 'Length',
  written: 'I’ve written them down',
  checkTitle: 'Let’s check two of them',
  checkLead: 'Look at your paper: on another device these words are all that brings you back.',
  word: (n: number) => `Word ${n}`,
  wrongWord: (n: number) => `That isn’t word ${n}. Look at your paper once more.`,
  showAgain: 'Show the words once more',
};

export const restore = {
  title: 'Restore your account',
  lead: 'Your recovery phrase brings your key and your handle to this device.',
  phrase: 'Recovery phrase',
  phraseHint: '12 or 24 words, in their order',
  passphraseHint: 'A new one for this device. It never leaves it.',
  unknownTitle: 'Choose a handle',
  unknownLead:
    'The words are right, but no handle on this server belongs to them. Choose one to go on with the same key.',
  words: (n: number) => count(n, 'word', 'words'),
  earlier: 'I had another key before',
  earlierPhrases: 'Earlier phrases',
  earlierHint: 'One a line. They open messages that were sealed for those keys.',
};

export const newKey = {
  title: 'Go on with your new key',
  lead: 'Your messages here stay. The identity log must prove that the new key follows this one.',
  phraseHint: 'The words of the new key',
  passphraseHint: 'The one of this device',
  submit: 'Use the new key',
  notice:
    'Your key has no handle here any more: the account goes on under another key, or the handle was given back. If you changed the key on another device, enter its recovery phrase here.',
  enter: 'Enter the new phrase',
};

export const unlock = {
  title: 'Welcome back',
  unlock: 'Unlock',
  waiting: (n: number) => `${count(n, 'unread message', 'unread messages')}`,
  forgot: 'Forgot your passphrase?',
  forgotText:
    'Nobody can reset it. Remove this account from the device, then restore it with your recovery phrase. Messages that are kept here alone are lost.',
  remove: 'Remove from this device',
};

export const connection = {
  name: 'Connection',
  live: '● live',
  reconnecting: '● reconnecting…',
  connecting: '○ connecting…',
  offline: '○ offline',
  sse: 'SSE',
  nats: 'NATS',
  waiting: (n: number) => `${count(n, 'message waits', 'messages wait')} to be sent`,
};

export const list = {
  name: 'Conversations',
  newConversation: 'New conversation',
  begin: 'Write to somebody',
  settings: 'Settings',
  lock: 'Lock',
  search: 'Search',
  searchHint: 'Search people and messages',
  clearSearch: 'Clear',
  searching: 'Searching…',
  people: 'People',
  found: 'Search results',
  nothingFound: 'Nothing found',
  nothingFoundText: 'Messages are searched on this device, where they are kept.',
  emptyTitle: 'No conversations yet',
  emptyText: 'Write to somebody by their handle, or give them yours.',
  draft: 'Draft:',
  you: 'You:',
  file: (name: string) => `File: ${name}`,
  unread: 'unread',
  blocked: 'Blocked',
  keyChanged: 'Key changed',
  verified: 'Verified',
  refused: 'Failed checks',
  failedCheck: (code: string) => `Failed its check (${code}):`,
  noneTitle: 'Pick a conversation',
  noneText: 'Or begin a new one. What you write is sealed before it leaves this device.',
};

export const start = {
  title: 'New conversation',
  to: 'To',
  toHint: 'A handle such as alice or alice@server, or a key',
  open: 'Start',
  yours: 'Others find you as',
};

export const chat = {
  name: 'Messages',
  message: 'Message',
  messageTo: (name: string) => `Message ${name}`,
  send: 'Send',
  attach: 'Attach a file',
  drop: 'Drop files to send them',
  details: (name: string) => `Details of ${name}`,
  verified: 'Key verified in person',
  unverified: 'End-to-end encrypted',
  begin: (name: string) => `This is the beginning of your conversation with ${name}.`,
  beginText:
    'Messages are sealed for their key alone. Compare fingerprints once, to be sure that the key is theirs.',
  unread: 'New messages',
  newest: 'Jump to newest',
  newestCount: (n: number) => `Jump to newest, ${n} new`,
  today: 'Today',
  yesterday: 'Yesterday',
  you: 'You',
  state: {
    sending: 'Sending',
    stored: 'Stored on the server',
    failed: 'Not sent',
    received: 'Received',
    refused: 'Failed its check',
  },
  late: 'Not sent yet. It goes on by itself.',
  retry: 'Try again',
  discard: 'Discard',
  refusedTitle: 'A message failed its check',
  unknownKind: 'A kind of message that this version doesn’t know. Update the page to read it.',
  blocked: (name: string) => `You blocked ${name}.`,
  unblock: 'Unblock',
  keyPending: 'Nothing is sent until you decide about the new key.',
  refusedPane: 'What came and names no sender who can be proven. Nothing here can be answered.',
  download: (name: string) => `Save ${name}`,
  open: (name: string) => `Show ${name} large`,
  image: (name: string) => `Image ${name}`,
  fileProgress: (name: string) => `Progress of ${name}`,
  tooLarge: (name: string) => `${name} is larger than 10 MB. Send a smaller file.`,
  emptyFile: (name: string) => `${name} is empty.`,
};

export const keyChange = {
  title: (name: string) => `${name} has a new key`,
  proven: 'Their identity log proves that they changed it themselves. Messages go to the new key now.',
  unproven:
    'Nothing proves that they changed it. It may be a new start of theirs, or somebody who wants to read along. Ask them in another way, such as a call, before you go on.',
  compare: 'Compare keys',
  accept: 'Use the new key',
  acceptProven: 'Understood',
  sure: 'Did they tell you themselves that they have a new key?',
  sureYes: 'Yes, use the new key',
};

export const details = {
  title: 'Details',
  fingerprint: 'Fingerprint',
  knownFingerprint: 'Fingerprint of the key that you know',
  newFingerprint: 'Fingerprint of the new key',
  newKey: 'New key',
  fingerprintText: (name: string) =>
    `${name} sees the same words and picture under “Settings” when the key is theirs.`,
  ownFingerprintText: 'Others see the same words and picture for you.',
  key: 'Key',
  copyKey: 'Copy key',
  verified: 'Verified in person',
  unverified: 'Not verified yet',
  verify: 'Verify in person',
  unverify: 'Remove the mark',
  block: 'Block',
  unblock: 'Unblock',
  blockText: 'Their messages are kept, but neither counted nor announced.',
  remove: 'Delete conversation',
  removeText: 'Deletes the messages on this device. Others keep theirs.',
  removeSure: 'Delete all messages of this conversation from this device?',
  removeYes: 'Delete',
  picture: 'Picture of the key',
};

export const verify = {
  title: 'Verify in person',
  lead: (name: string) => `Meet ${name}. Each of you scans the other’s code, so that both are sure.`,
  mine: 'My code',
  scan: 'Scan theirs',
  mineText: (name: string) =>
    `Let ${name} scan this with Kez Chat: Details, “Verify in person”, “Scan theirs”.`,
  ownText: 'Let others scan this with Kez Chat: Details, “Verify in person”, “Scan theirs”.',
  codeOf: (name: string) => `QR code of ${name}`,
  camera: 'Use the camera',
  cameraStop: 'Stop the camera',
  cameraRefused: 'The browser doesn’t allow the camera. Allow it for this page, or paste the code’s text.',
  cameraNone: 'There is no camera here. Paste the code’s text instead.',
  picture: 'Camera picture',
  pointing: 'Point the camera at the code',
  paste: 'Or paste the code’s text',
  check: 'Check',
  copyText: 'Copy as text',
  match: (name: string) => `It’s the same key. ${name} is verified.`,
  matchNext: 'Now let them scan yours.',
  differentKey: (name: string) =>
    `This code has another key than the one that you write to. Don’t send ${name} anything secret, and look at the notice about keys.`,
  knownKey: (name: string) =>
    `This is the key that you knew. The new one isn’t ${name}’s: don’t use it, and tell who runs the server.`,
  notACode: 'This isn’t a Kez Chat code. Ask for the one under “Verify in person”.',
};

export const settings = {
  title: 'Settings',
  you: 'You',
  copyAddress: 'Copy address',
  showCode: 'Show my code',
  hideCode: 'Hide my code',
  connection: 'Connection',
  transport: 'How messages arrive',
  transports: {
    auto: ['Automatic', 'Takes the other way when one fails'],
    sse: ['SSE', 'Server-sent events over plain HTTPS, works behind most proxies'],
    nats: ['NATS', 'A WebSocket to the message broker, fastest'],
  },
  now: (name: string) => `Now over ${name}`,
  privacy: 'Lock and recovery',
  lockAfter: 'Lock after',
  lockAfterText: 'Your key leaves memory when you are away. Messages keep coming, sealed.',
  minutes: (n: number) => (n === 0 ? 'Never' : n === 60 ? '1 hour' : count(n, 'minute', 'minutes')),
  reveal: 'Show recovery phrase',
  revealText: 'Make sure that nobody looks over your shoulder.',
  revealYes: 'Show the words',
  notifications: 'Notifications',
  notificationsText: 'Tell me about new messages while this page is in the background.',
  notificationsOn: 'Turn on',
  notificationsOff: 'Turn off',
  notificationsDenied: 'The browser blocks notifications for this page. Allow them in the site’s settings.',
  notificationsNone:
    'This browser has no notifications. On an iPhone, add the page to the Home Screen first.',
  appearance: 'Appearance',
  theme: 'Theme',
  themes: { system: 'System', light: 'Light', dark: 'Dark' },
  identity: 'Identity',
  identityText: 'Accounts elsewhere that you say are yours. Anybody can check them against your key.',
  accounts: 'Accounts',
  noAccounts: 'None yet.',
  subject: 'Account or page',
  subjectHint: 'Such as github:alice, dns:alice.example, web:https://alice.example',
  proof: 'Where it names your key (optional)',
  add: 'Add',
  addAccount: 'Add an account',
  addDevice: 'Add a device',
  deviceName: 'Name of the device',
  deviceHint: 'Such as “Phone” or “Laptop at work”',
  proofLink: 'Proof',
  copyClaim: 'Copy claim',
  claimText:
    'To be believed, publish the claim in the account itself, such as in a gist, a DNS record or a post.',
  revoke: (what: string) => `Revoke ${what}`,
  revokeShort: 'Revoke',
  revokeSure: (what: string) => `Say that ${what} is no longer yours? The log keeps both entries for ever.`,
  devices: 'Devices',
  noDevices: 'No device is listed in your log.',
  log: 'Log',
  logCount: (n: number) => count(n, 'entry', 'entries'),
  logEmpty: 'Your log is empty. It begins with the first account that you add.',
  ops: {
    add: (what: string) => `Added ${what}`,
    revoke: (what: string) => `Revoked ${what}`,
    rotate: 'Went on under a new key',
    add_device: (what: string) => `Added the device ${what}`,
    unknown: () => 'An entry of a kind that this version doesn’t know',
  },
  device: 'This device',
  forget: 'Forget this device',
  forgetText:
    'Deletes your key, messages and drafts from this browser. Your account stays; the recovery phrase brings it back.',
  forgetSure: 'Delete everything here? Without your recovery phrase you can’t get back in.',
  forgetYes: 'Delete everything',
};

export const notice = {
  body: 'New message',
  sealed: 'A new message is waiting. Unlock to read it.',
};

/** What to do about an error, by its stable code. */
export const errors: Readonly<Record<string, string>> = {
  unexpected:
    'Something went wrong that this page doesn’t know. Try again; if it stays, load the page again.',

  // What happens on this device.
  wrong_passphrase: 'That isn’t the passphrase. Check capital letters and spaces, then try again.',
  word_count: 'A recovery phrase has 12 or 24 words. Count yours.',
  unknown_word: 'One word isn’t on the list. Check its spelling.',
  checksum: 'These words don’t belong together. One is wrong, or two changed places.',
  foreign_server: 'That address is of another server. You can write to people on this server only.',
  key_changed:
    'The key of this person changed, and nothing proves that they did it. Decide about the new key first.',
  key_changed_again:
    'The key of this person changed once more since you looked. Look at the new notice, and decide about that one.',
  device_full: 'This device has no room left. Free some space, then try again.',
  no_storage:
    'This browser keeps nothing for this page, as in some private windows. Open it in an ordinary window.',
  storage_closed: 'Another window has a newer version of Kez Chat. Load this page again.',
  locked: 'This page is locked. Unlock it, then try again.',
  not_successor:
    'Your identity log doesn’t prove that this key follows yours. Check the words; take the phrase that you changed to.',
  not_a_peer: 'This isn’t a handle or a key. Write alice, alice@server, or a key.',
  file_too_large: 'The file is larger than 10 MB. Send a smaller one.',
  file_incomplete: 'The file isn’t whole yet. It goes on by itself; wait a moment.',
  file_damaged: 'The file was changed on its way. Ask the sender to send it again.',
  unknown_file: 'The file can’t be read any more. Choose it again.',

  // The way to the server.
  disconnected: 'The server can’t be reached. Check your connection; what you wrote is kept.',
  timeout: 'The server didn’t answer in time. Try again.',
  refused:
    'The message broker didn’t let this page in. Choose “Automatic” in the settings, or try again later.',
  malformed: 'What answers here isn’t a Kez Chat server. Check the address.',
  request_timeout: 'The server waited too long. Try again.',
  rate_limited: 'Too many tries in a short time. Wait a minute, then try again.',
  internal: 'The server met an error of its own. Try again in a moment.',
  unavailable: 'The server is starting or busy. Try again in a moment.',
  storage_full: 'The server has no room for messages. Try again later, or tell who runs it.',
  inbox_full: 'Their inbox is full. They have to delete mail before yours fits.',
  not_found: 'The server doesn’t know this. Load the page again to get its newest version.',
  method_not_allowed: 'The server doesn’t take this. Load the page again to get its newest version.',

  // Handles and keys.
  invalid_handle: 'A handle has 3 to 32 letters, digits, - or _, and begins with a letter or a digit.',
  reserved_handle: 'This handle is kept for the server. Choose another one.',
  handle_taken: 'Somebody was faster: this handle is taken. Choose another one.',
  handle_suspended:
    'The operator of this server has suspended this handle. Nothing is delivered, and its mail is kept.',
  not_operator: 'Only the operator of this server may do this.',
  handle_released: 'This handle was given back, and isn’t given out again. Choose another one.',
  primary_taken:
    'Your key has a handle on this server already. Restore the account with your recovery phrase instead.',
  handle_needs_ed25519: 'This kind of key can’t have a handle. Use the recovery phrase of a Kez account.',
  unknown_handle: 'Nobody has this handle. Check the spelling.',
  unknown_primary: 'No handle on this server belongs to this key.',
  invalid_primary: 'This isn’t a key. It has “ed25519:” and 64 characters behind it.',
  wrong_server: 'This account is of another server. Open the page of that server.',
  key_retired: 'Your account goes on under another key. Restore it with the newest recovery phrase.',
  key_in_use: 'This key was in use before. Choose a new one.',
  key_not_in_force: 'Your account goes on under another key. Restore it with the newest recovery phrase.',
  not_owner:
    'This handle is no longer yours with this key. Restore the account with its newest recovery phrase.',

  // Sessions.
  auth_required: 'Your session is over. Lock this page and unlock it again.',
  malformed_auth: 'Your session is over. Lock this page and unlock it again.',
  invalid_token: 'Your session is over. Lock this page and unlock it again.',
  token_expired: 'Your session is over. Lock this page and unlock it again.',
  session_ended: 'Your session is over. Lock this page and unlock it again.',
  sender_required: 'This server takes mail of its own people only. Lock this page and unlock it again.',
  stale_timestamp: 'The clock of this device, or of the sender’s, is wrong. Set it, then try again.',
  invalid_lifetime: 'The clock of this device is wrong. Set it, then try again.',

  // Messages, and what others signed.
  too_large: 'This is larger than the server takes. Make it shorter, or send it as a file.',
  bad_signature: 'The signature isn’t its sender’s. Don’t trust what it said.',
  malformed_envelope: 'It isn’t a sealed message. Ask the sender to send it again.',
  malformed_json: 'It isn’t written as a message must be. Ask the sender to send it again.',
  unknown_version: 'It has a form that this version doesn’t know. Update the page.',
  not_opened: 'It wasn’t sealed for your key, or was changed on its way. Ask the sender to send it again.',
  bad_padding: 'It isn’t padded as it must be. Ask the sender to send it again.',
  wrong_recipient: 'It was written to somebody else, and passed on to you.',
  already_seen: 'It was read before: somebody sent it a second time.',
  beyond_memory: 'It is too old to know whether it was read before. Ask the sender to send it again.',
  invalid_timestamp: 'Its time can’t be read. Ask the sender to send it again.',
  invalid_id: 'It has no proper id. Ask the sender to send it again.',
  key_mismatch: 'It names another key than the one that signed it. Don’t trust what it said.',

  // Identity logs.
  invalid_subject:
    'An account is written as github:name, dns:domain, nostr:npub…, bluesky:, ap:, did:, ens: or web: and a name.',
  invalid_event: 'The log doesn’t take this entry. Check what you typed.',
  unknown_chain: 'There is no identity log for this key yet.',
  chain_conflict: 'Your log was changed from another device. Look at it, then try again.',
  chain_gap: 'Your log was changed from another device. Look at it, then try again.',
  wrong_prev: 'Your log was changed from another device. Look at it, then try again.',
  chain_full: 'Your log has 10,000 entries, and takes no more.',
  nothing_to_revoke: 'Your log doesn’t list this any more.',
};
