/*
 * Every error code with what causes it and how to cure it, by area. `docs/errors.md` is generated from this list
 * (npm run docs). A new `AppError` needs an entry here: its code is typed.
 */

export interface ErrorEntry {
  /** What has happened, in one or two sentences. */
  readonly cause: string
  /** What to do, with the command to run. */
  readonly cure: string
}

export const ERROR_AREAS = {
  Updates: {
    UPDATE_ARCHITECTURE: {
      cause: 'The file that was to become the new version is for another kind of processor.',
      cure: 'Download `smp-onion-VERSION-linux-ARCH.tar.gz` for this machine: amd64 for x64, arm64 for arm64.',
    },
    UPDATE_DEBIAN: {
      cause: 'This program came as a Debian package, and a file cannot take its place.',
      cure: 'Run `apt-get update && apt-get install smp-onion`.',
    },
    UPDATE_FILE: {
      cause: 'The file that was to become the new version is damaged, incomplete or another one. Nothing was changed.',
      cure: 'Download it again together with `SHA256SUMS`, and run the command again.',
    },
    UPDATE_HEALTH: {
      cause: 'The service was restarted, and the relay did not answer within 30 s. There was no version to go back to.',
      cure: 'See why with `journalctl -u smp-server -n 50`.',
    },
    UPDATE_HOME: {
      cause: 'This program runs from a checkout or from a package of npm, which keep no earlier version.',
      cure: 'Update it the way it came: `git pull` and `scripts/install`, or `npm install smp-onion@VERSION`.',
    },
    UPDATE_OPTIONS: {
      cause: 'A file and `--rollback` were given together.',
      cure: 'Give one of them.',
    },
    UPDATE_PREVIOUS: {
      cause: 'No version was installed before this one, or it was taken away.',
      cure: 'Install the version you want: `apt-get install smp-onion=VERSION`, or `smp-server update FILE.tar.gz`.',
    },
    UPDATE_ROLLED_BACK: {
      cause: 'After an update the relay did not answer within 30 s, and the version before it was started again.',
      cure: 'See why with `journalctl -u smp-server -n 50`.',
    },
    UPDATE_SAME: {
      cause: 'The file holds the version that is installed.',
      cure: 'There is nothing to do. To restart the service: `smp-server update --restart`.',
    },
    UPDATE_SERVICE: {
      cause: 'The service was to be restarted where there is no systemd.',
      cure: 'Leave out `--restart`, and restart the relay the way it was started.',
    },
    UPDATE_SPACE: {
      cause: 'There is no room on the disk for another version. Nothing was changed.',
      cure: 'Free the space that the message names, and run the command again.',
    },
  },
  'Command line': {
    INIT_FILES: {
      cause: 'The INI file is missing, but files of an identity are there. `init` would replace them.',
      cure: 'Restore `smp-server.ini`, or move the named files away and run `smp-server init` again.',
    },
    INPUT_ENDED: {
      cause: 'A question was asked and the input ended: stdin is empty or not a terminal.',
      cure: 'Run the command on a terminal, or pass `-y` so that nothing is asked.',
    },
    OPTIONS: {
      cause: 'Two of the given options contradict each other.',
      cure: 'Leave one of them out; `smp-server help COMMAND` lists the options.',
    },
    PASSPHRASE_DIFFERENT: {
      cause: 'The passphrase was typed twice, and not the same.',
      cure: 'Run the command again.',
    },
    PASSPHRASE_FILE: {
      cause: 'The file given with `--passphrase-file` does not hold exactly one line.',
      cure: 'Write the passphrase as the only line of the file.',
    },
    PASSPHRASE_MISSING: {
      cause: 'A passphrase is needed and there is no terminal to ask for it.',
      cure: 'Pass `--passphrase-file FILE`, or set `SMP_ONION_PASSPHRASE` in the environment.',
    },
    PASSPHRASE_SHORT: {
      cause: 'The passphrase has fewer than 8 characters.',
      cure: 'Use a longer one, for example four random words.',
    },
    INIT_ONION: {
      cause: '`init` has made the relay, and could not set up its onion service.',
      cure: 'Fix what `tor setup` reports, and run `smp-server tor setup`.',
    },
    PASSWORD_DIFFERENT: {
      cause: 'A new password was typed twice, and not the same.',
      cure: 'Run the command again.',
    },
    PASSWORD_FILE: {
      cause: 'The first line of the file given with `--password-file` is not a password that apps can send.',
      cure: 'Write a password of letters, digits and symbols into the first line, without blanks, `@`, `:` and `/`.',
    },
    PASSWORD_MISSING: {
      cause: 'A new password is needed, and there is no terminal to ask for it.',
      cure: 'Pass `--password-file FILE`, with the password in its first line.',
    },
  },

  Configuration: {
    HOST_OTHER_ONION: {
      cause: '`host` in `[TRANSPORT]` contains an onion address whose key this relay does not have.',
      cure: 'Restore the key with `smp-server tor key restore FILE` or `tor key import FILE`, or remove the address from `host`.',
    },
    CONFIG_KEY: {
      cause: 'The INI file has no key of this name.',
      cure: 'Write the section and the key, for example `TRANSPORT.port`; `smp-server config explain KEY` finds the section.',
    },
    CONFIG_KEY_UNSET: {
      cause: 'The key is not in the INI file, and nothing stands in for it.',
      cure: 'Set it with `smp-server config set SECTION.KEY VALUE`.',
    },
    INI_CHANGED: {
      cause: 'The INI file was changed by another program while the command was working on it.',
      cure: 'Run the command again.',
    },
    INI_ENCODING: {
      cause: 'The INI file is not UTF-8 text: an editor saved it as UTF-16, or it is not a text file at all.',
      cure: 'Save it as UTF-8, for example with the `iconv` command from the message.',
    },
    INI_UNREADABLE: {
      cause: 'The INI file is missing or cannot be read.',
      cure: 'Run `smp-server init` if there is none yet; otherwise run the command as the user that owns the file.',
    },
    INI_VALUE: {
      cause:
        'A setting in the INI file is missing or has a value that is not allowed. The message names file and line.',
      cure: 'Fix the line. `smp-server init --help` and the comments in the file say what is allowed.',
    },
    INI_WRITE: {
      cause: 'A setting cannot be written, because a damaged line above it makes the rest of the INI file unreadable.',
      cure: 'Fix that line, or put `#` in front of it, and run the command again.',
    },
    TOR_CONTROL: {
      cause: '`control` in `[TOR]` is neither the path of a socket nor `HOST:PORT`, or is missing with mode external.',
      cure: 'Correct it. Except with mode external it can be left out: the control socket is then found automatically.',
    },
  },

  'Files and directories': {
    DIRECTORY_MISSING: {
      cause: 'A directory of the relay does not exist, and this user may not create it.',
      cure: 'Create it as root with the `install -d` command from the message.',
    },
    DISK_FULL: {
      cause: 'No space is left on the file system.',
      cure: 'Free some space and run the command again. Nothing was lost.',
    },
    FILE_EMPTY: { cause: 'The named file is empty.', cure: 'Pass the right file.' },
    FILE_EXISTS: {
      cause: 'The command would overwrite a file, and never does so.',
      cure: 'Choose another name, or move the file away.',
    },
    FILE_KIND: {
      cause: 'The path leads to a directory, device or pipe where a file is needed, or passes through a file.',
      cure: 'Pass the path of a file.',
    },
    FILE_OPEN_TO_OTHERS: {
      cause: 'A file with a password can be read by others.',
      cure: 'Run the `chmod 600` command from the message.',
    },
    FILE_MISSING: { cause: 'The named file or directory does not exist.', cure: 'Check the path.' },
    FILE_OWNER: {
      cause: 'Files of the relay belong to another user, typically because a command was run as root.',
      cure: 'Give them back with the `chown` command from the message.',
    },
    FILE_PERMISSION: {
      cause: 'This user may not open or change the file.',
      cure: 'Run the command as the user that owns the relay, or give the directories to that user with `chown -R`.',
    },
    FILE_READ_ONLY: {
      cause: 'The file system is mounted read-only.',
      cure: 'Remount it for writing, or use another directory.',
    },
    FILE_TOO_LONG: { cause: 'The file is too large to be a key.', cure: 'Pass the file with the key.' },
    FILE_UNREADABLE: {
      cause: 'The file cannot be read by this user.',
      cure: 'Run the command as the user that owns the file.',
    },
  },

  'Identity and certificates': {
    BAD_CHAIN: {
      cause: 'The certificates do not form a chain that apps accept.',
      cure: 'Leave only the first certificate in `server.crt`, and renew it with `smp-server cert`.',
    },
    BAD_CREDENTIALS: {
      cause: 'A file of the identity does not contain the key or certificate that belongs there.',
      cure: 'Restore it from a backup. `server.crt` and `server.key` can be renewed with `smp-server cert`.',
    },
    BAD_FINGERPRINT: {
      cause: 'The file `fingerprint` is not the hash of the certificate in `ca.crt`.',
      cure: 'Restore the `ca.crt` that belongs to it. If `ca.crt` is the right one, write its fingerprint (in the message) into the file.',
    },
    CA_KEY: {
      cause: '`ca.key` is missing, unreadable, or not the key of `ca.crt`. Only this key can sign a new certificate.',
      cure: 'Copy it back from where you keep it, run `smp-server cert`, and remove it again.',
    },
    CERTIFICATE: {
      cause: 'A certificate file contains no certificate in PEM format.',
      cure: 'Restore it from a backup.',
    },
    COMMON_NAME: {
      cause: 'The host cannot be the name in a certificate: that has 1 to 64 printable ASCII characters.',
      cure: 'Put a shorter host first; apps do not look at this name.',
    },
    EXPIRED: { cause: 'A certificate of the relay has expired.', cure: 'Renew it: `smp-server cert`.' },
    KEY_MISMATCH: {
      cause: '`server.key` is not the key of `server.crt`.',
      cure: 'Restore the pair that belongs together, or make a new one: `smp-server cert`.',
    },
    NO_CREDENTIALS: {
      cause: 'Files of the identity are missing.',
      cure: 'Restore them from a backup: `smp-server restore FILE`.',
    },
    NO_FINGERPRINT: {
      cause: 'The file `fingerprint` is missing or empty, and cannot be written again by this user.',
      cure: 'Write it with the command from the message. It is only the hash of `ca.crt`.',
    },
    UNREADABLE: {
      cause: 'A file of the identity cannot be read.',
      cure: 'Make it readable for the user of the relay.',
    },
  },

  Ports: {
    ADDRESS_NOT_LOCAL: {
      cause: '`listen_host` in `[TRANSPORT]` is not an address of this machine.',
      cure: 'Choose one that `ip address` shows.',
    },
    PORT_FORBIDDEN: {
      cause: 'Ports below 1024 need a privilege that this user does not have.',
      cure: 'Set `AmbientCapabilities=CAP_NET_BIND_SERVICE` in the systemd unit, or choose a port from 1024 up.',
    },
    PORT_IN_USE: {
      cause: 'Another program listens on the port. The message names it when it could be found.',
      cure: 'Stop that program, or choose another port in the INI file.',
    },
  },

  'Running relay': {
    RELAY_QUESTION: {
      cause: 'The running relay does not know what the command asks, because it is of another version.',
      cure: 'Restart the relay after an update: `systemctl restart smp-server`.',
    },
    RELAY_SOCKET: {
      cause: 'The running relay cannot be asked: its control socket belongs to another user, or it does not answer.',
      cure: 'Run the command as the user of the relay or as root; if the relay hangs, look at its log and restart it.',
    },
  },

  Store: {
    STORE_COPYING: {
      cause: 'Another command is copying the store.',
      cure: 'Wait until it has finished.',
    },
    STORE_COPY: {
      cause: 'The store is a copy that was made with `cp`, `tar` or the like while the relay was writing to it.',
      cure: 'Restore a backup that `smp-server backup` has made: `smp-server restore FILE`.',
    },
    STORE_DAMAGED: {
      cause: 'Pages or records of the store are not what they should be. The message says which.',
      cure: 'Restore a backup with `smp-server restore FILE`, or save what can be read: `smp-server store check --repair`.',
    },
    STORE_DISABLED: {
      cause: 'The store holds queues, but `enable` in `[STORE_LOG]` is off or missing.',
      cure: 'Set `enable = on` under `[STORE_LOG]`, or move the store away.',
    },
    STORE_EXPORT: {
      cause: '`smp-server database export` was interrupted, so that the state directory has no complete store.',
      cure: 'Run `smp-server database export` again, which begins anew; or remove what it left.',
    },
    STORE_ELSEWHERE: {
      cause: '`store_queues` in `[STORE_LOG]` is `database`, but queues are also in the state directory.',
      cure: 'Set `store_queues` and `store_messages` to `memory` to serve those, or move them away.',
    },
    WORKERS_STORE: {
      cause:
        'The relay was to run as several processes, with the embedded store, which only one process can have open.',
      cure: 'Move the queues into PostgreSQL with `smp-server database import` ([scaling.md](scaling.md)), or set `workers = 1` in `[CLUSTER]`.',
    },
    WORKER_RELOAD: {
      cause: 'A worker could not take over the changed settings.',
      cure: 'Restart the relay: `systemctl restart smp-server`.',
    },
    WORKER_START: {
      cause: 'A process that was to serve clients ended, or its program was replaced, before it was ready.',
      cure: 'The log above says why. Start the relay again: `smp-server start`.',
    },
    STORE_JOURNAL: {
      cause:
        '`store_messages` in `[STORE_LOG]` is `journal` while `store_queues` is `database`: upstream has given that up, and this relay keeps both in PostgreSQL.',
      cure: 'Set `store_messages` to `database`; upstream moves messages from journals into PostgreSQL.',
    },
    STORE_EMPTY: {
      cause: 'There is neither a store nor a file of upstream smp-server in the state directory.',
      cure: 'Nothing has to be imported: start the relay with `--confirm-migrations up`.',
    },
    STORE_FORMAT: {
      cause: 'The store was written by a newer version of this program.',
      cure: 'Install that version or a later one. The store was not changed.',
    },
    STORE_IN_USE: {
      cause: 'A running relay has the store open.',
      cure: 'Stop that relay first, for example with `systemctl stop smp-server`.',
    },
    STORE_MISSING: {
      cause: 'The file beside the store says that it holds queues, but the store is missing or empty.',
      cure: 'Restore a backup with `smp-server restore FILE`, or remove that file to begin without queues.',
    },
    STORE_NOT_A_FILE: {
      cause: 'A directory or a device stands where a file of the store should be.',
      cure: 'Move it away, and restore a backup: `smp-server restore FILE`.',
    },
    STORE_NOT_WRITABLE: {
      cause: 'The user of the relay may not write to the store, typically after a command was run as root.',
      cure: 'Give the store to that user with `chown -R`.',
    },
    STORE_UNREADABLE: {
      cause: 'The store cannot be opened. The message has the reason.',
      cure: 'Check the disk, or restore a backup: `smp-server restore FILE`.',
    },
    STORE_NOT_A_DIRECTORY: {
      cause: 'A file stands where the directory of the store should be.',
      cure: 'Move the file away.',
    },
    UPSTREAM_FILE: {
      cause: 'A file of upstream `smp-server` that is to be imported is damaged. The message names the line.',
      cure: 'Restore the file from a backup, or move it away to continue without its content.',
    },
    UPSTREAM_FILE_EXISTS: {
      cause: 'The export would overwrite a file.',
      cure: 'Move that file away and run the command again.',
    },
    UPSTREAM_WARNING: {
      cause: 'A record in a file of upstream `smp-server` cannot be imported.',
      cure: 'Run `smp-server start --skip-warnings` to continue without it.',
    },
  },

  PostgreSQL: {
    DATABASE_CONNECTION: {
      cause: '`db_connection` in `[STORE_LOG]`, or the option `--database`, is not a connection string.',
      cure: 'Write it as a URI, for example `postgresql://smp@/smp_server_store`, or as `name=value` pairs, for example `host=/run/postgresql dbname=smp_server_store user=smp`.',
    },
    DATABASE_COPY: {
      cause: 'Counting the copy of a store gave other numbers than counting the store.',
      cure: 'Remove the copy, and run the command again. Nothing else was changed.',
    },
    DATABASE_IN_USE: {
      cause:
        'A relay is running on the database, or was until a moment ago: what it accepts meanwhile would not be copied.',
      cure: 'Stop all relays on the database, wait half a minute, and run the command again.',
    },
    DATABASE_DISK: {
      cause: 'The disk of the PostgreSQL server is full.',
      cure: 'Free some space on that machine. Clients are told to try again meanwhile; nothing that got OK is lost.',
    },
    DATABASE_FULL: {
      cause:
        'PostgreSQL takes no more connections, of all programs or of this role. Each process of the relay needs `db_pool_size` and one more.',
      cure: 'Raise `max_connections` in `postgresql.conf`, or lower `db_pool_size` in `[STORE_LOG]`.',
    },
    DATABASE_TIMEOUT: {
      cause: 'PostgreSQL cancelled a statement of the start because of `statement_timeout` or `lock_timeout`.',
      cure: 'Set a longer `statement_timeout` for the role with the command that the message names.',
    },
    DATABASE_LOGIN: {
      cause:
        'PostgreSQL refuses the role: its password is wrong or missing, the role does not exist, or `pg_hba.conf` does not let it in.',
      cure: 'Put the password into a file that only the user of the relay can read, as a line `host:port:database:role:password`, and name it in the connection string with `passfile=FILE`. See docs/scaling.md for `pg_hba.conf`.',
    },
    DATABASE_MIGRATION: {
      cause: 'The schema is to be created or migrated, which needs your consent.',
      cure: 'Run `smp-server start --confirm-migrations up`.',
    },
    DATABASE_MISSING: {
      cause: 'There is no such database.',
      cure: 'Create it with the commands that the message names.',
    },
    DATABASE_NOT_EMPTY: {
      cause: 'Moving needs a schema, or a store, without queues, so that nothing is overwritten or doubled.',
      cure: 'Choose another schema with `--schema`, or drop the present one with the command that `smp-server database delete` prints; move a store in the state directory away.',
    },
    DATABASE_OLD: {
      cause: 'The PostgreSQL server is older than version 14.',
      cure: 'Upgrade PostgreSQL.',
    },
    DATABASE_OTHER_RELAY: {
      cause:
        'The database belongs to a relay with another fingerprint. Two relays with different identities cannot share one.',
      cure: 'Set `db_schema` in `[STORE_LOG]` to a schema of this relay, or copy the identity of the relay that the database belongs to.',
    },
    DATABASE_POOLER: {
      cause:
        'A pooler between the relay and PostgreSQL, such as PgBouncer, does not pool whole sessions: relays do not hear each other through it.',
      cure: 'Set `pool_mode = session` in `pgbouncer.ini`, or connect to PostgreSQL directly.',
    },
    DATABASE_READ_ONLY: {
      cause: 'PostgreSQL can only be read: it is a standby, or its transactions are read-only.',
      cure: 'Name the primary server in the connection string; with several hosts, separated by commas, the relay finds it.',
    },
    DATABASE_RIGHTS: {
      cause: 'The role may not do in the database what the relay needs.',
      cure: 'Grant the right with the command that the message names.',
    },
    DATABASE_SCHEMA_MISSING: {
      cause: 'The schema does not exist.',
      cure: 'Run `smp-server start --confirm-migrations up` to create it, or `smp-server database import` to fill it.',
    },
    DATABASE_SCHEMA_NAME: {
      cause:
        '`db_schema` in `[STORE_LOG]`, or the option `--schema`, is not a name that both PostgreSQL and upstream `smp-server` take as it is.',
      cure: 'Use at most 56 lowercase letters, digits and `_`, not beginning with a digit.',
    },
    DATABASE_SCHEMA_NEWER: {
      cause: 'A newer program has migrated the schema.',
      cure: 'Install a newer version of this program.',
    },
    DATABASE_SCHEMA_OLDER: {
      cause: 'The schema is of a release of upstream `smp-server` that did not keep messages in the database.',
      cure: 'Run the release of upstream `smp-server` that the message names once, so that it migrates the schema.',
    },
    DATABASE_SCHEMA_UNFINISHED: {
      cause:
        'Tables or columns are missing in the schema: a migration or an import was interrupted, or somebody changed it.',
      cure: 'Restore the schema from a backup of PostgreSQL, or drop it with the command that `smp-server database delete` prints and import again.',
    },
    DATABASE_TLS: {
      cause: 'The TLS connection to PostgreSQL failed: its certificate is not trusted, or it has no TLS.',
      cure: 'Name the certificate of its CA with `sslrootcert=FILE` in the connection string.',
    },
    DATABASE_UNREACHABLE: {
      cause: 'PostgreSQL does not answer.',
      cure: 'Start it, for example with `systemctl start postgresql`, or correct `db_connection` in `[STORE_LOG]`.',
    },
    DATABASE_REFUSED: {
      cause: 'PostgreSQL refused a statement. The message has its reason.',
      cure: "Look into PostgreSQL's log.",
    },
  },

  'Web site': {
    SITE_HOLDS_KEYS: {
      cause:
        'The directory of the web site contains the configuration or state of the relay, which would be published.',
      cure: 'Set `static_path` in `[WEB]` to a directory for the site only.',
    },
  },

  'Backup and restore': {
    BACKUP_CONTENT: {
      cause: 'The backup could be decrypted, but its content is incomplete, damaged or from a newer version.',
      cure: 'Use another backup, or install the version that the message names.',
    },
    BACKUP_DAMAGED: {
      cause: 'The encrypted file was changed or cut off after it was written.',
      cure: 'Use another copy of the backup.',
    },
    BACKUP_DIRECTORY: {
      cause: 'The relay cannot write automatic backups to `directory` in `[BACKUP]`.',
      cure: 'Create it and give it to the user of the relay: `install -d -o smp -m 700 DIRECTORY`. A disk must be mounted there. Under systemd, allow it: `systemctl edit smp-server` with `[Service]` and `ReadWritePaths=DIRECTORY`.',
    },
    BACKUP_IDENTITY: {
      cause:
        'The backup is encrypted to recipients (`age1…`), and the secret key of one of them is missing or another one.',
      cure: 'Pass the file with the secret key, as `age-keygen` wrote it: `--identity-file FILE`.',
    },
    BACKUP_IMPORT: {
      cause: 'Files of upstream `smp-server` have not been imported yet, so the store is incomplete.',
      cure: 'Import them with `smp-server start --maintenance`, and run the backup again.',
    },
    BACKUP_INTERRUPTED: {
      cause: 'The process that made an automatic backup was ended. Nothing was left behind.',
      cure: 'The relay tries again by itself. If the system ended it for lack of memory (`dmesg`), give it more.',
    },
    BACKUP_KIND: {
      cause: 'The file is not a backup, or it is encrypted in a way that `smp-server` cannot open.',
      cure: 'Pass a file that `smp-server backup` has written.',
    },
    BACKUP_LIMIT: {
      cause: 'A file that belongs to the relay is not a regular file, or larger than a backup can hold.',
      cure: 'Move that file away and run the command again.',
    },
    BACKUP_PASSPHRASE: {
      cause: 'The passphrase does not open the backup.',
      cure: 'Run the command again with the passphrase that the backup was made with.',
    },
    BACKUP_PIPE: {
      cause: 'A backup was written to standard output, and the program that reads it ended early.',
      cure: 'Fix what that program reports, and run the command again.',
    },
    RELAY_IDENTITY: {
      cause: 'Certificates, key and fingerprint of the relay do not belong together.',
      cure: 'Restore the files that were made together.',
    },
    RELAY_NOT_RUNNING: {
      cause: 'The command is for a running relay, and none runs on these directories.',
      cure: 'Start it: `systemctl start smp-server`.',
    },
    RELAY_ONION: {
      cause: '`host` contains an onion address whose key the relay does not have.',
      cure: 'Restore the key with `smp-server tor key restore FILE`, or remove the address from `host`.',
    },
    RELAY_OTHER_IDENTITY: {
      cause: 'The certificates of a running relay were replaced by those of another relay.',
      cure: 'Restore the files of this relay, or restart it to serve under the other address.',
    },
    RELAY_RUNNING: {
      cause: 'A relay runs on the directories that the command was to change.',
      cure: 'Stop it first: `systemctl stop smp-server`.',
    },
    RESTORE_NOT_EMPTY: {
      cause: 'A relay is restored only into empty directories, and these are not.',
      cure: 'Move away what is there, and run the command again.',
    },
  },

  'Tor processes': {
    BRIDGES_SINGLE_HOP: {
      cause: 'A single-hop onion service ignores bridges and would connect to the Tor network directly.',
      cure: 'Run `smp-server tor remove`, then `smp-server tor setup --three-hop`; or remove the bridges from `torrc_extra`.',
    },
    NO_SERVICE_MANAGER: {
      cause: 'A Tor instance of the system needs systemd, and this machine was not booted with it.',
      cure: 'Let the relay run its own Tor: `smp-server tor setup --own`.',
    },
    SYSTEMCTL: {
      cause: 'systemd could not start or stop a unit.',
      cure: 'Look at its log with the `journalctl` command from the message.',
    },
    TOR_CLIENT_OFFLINE: {
      cause: 'The Tor client cannot connect to the Tor network.',
      cure: 'Check the Internet connection and the firewall; where Tor is blocked, see Bridges in docs/tor.md.',
    },
    TOR_DIRECTORY: {
      cause: 'Tor cannot use its data directory, usually because it belongs to another user.',
      cure: 'Run the command as the user that owns the state directory.',
    },
    TOR_ENDED: {
      cause: 'Tor exited. The message has its last words.',
      cure: 'Fix what it names and try again.',
    },
    TOR_EXTRA_OPTION: {
      cause:
        'The file in `torrc_extra` sets an option that lines of the operator may not set: one that the relay sets itself, a user, a directory, a controller, a program outside of /usr, or the lines of another file.',
      cure: 'Remove that line. Options are written out, without abbreviation.',
    },
    TOR_EXTRA_UNREADABLE: {
      cause: 'The file in `torrc_extra` cannot be read.',
      cure: 'Check the path and its permissions, or remove the setting.',
    },
    TOR_FAULT: {
      cause: 'Something unexpected failed while the onion service was set up. This is a fault of `smp-server`.',
      cure: 'The relay retries. Please report it, with the log at `--log-level debug`.',
    },
    TOR_INSTANCE_CREATE: {
      cause: '`tor-instance-create` failed.',
      cure: 'Run it manually to see why, or let the relay run its own Tor: `smp-server tor setup --own`.',
    },
    TOR_INSTANCE_GROUP: {
      cause: 'The user of the relay could not be added to the group of the Tor instance.',
      cure: 'Add it with the `usermod` command from the message.',
    },
    TOR_INSTANCE_NAME: {
      cause: 'The name of the Tor instance contains characters that are not allowed.',
      cure: 'Use up to 24 letters and digits.',
    },
    TOR_INSTANCE_REMOVE: {
      cause: 'The Tor instance could not be removed, because processes of its user are running.',
      cure: 'Stop them (`pgrep -u USER` lists them) and run the command again.',
    },
    TOR_KEY: {
      cause:
        "The signing key of the Tor Project's package repository could not be downloaded or is not the expected one.",
      cure: "Leave `--official-repo` out to install the distribution's package.",
    },
    TOR_MISSING: {
      cause: 'The program `tor` is not installed, or this user may not run it.',
      cure: 'Install it: `apt install tor`.',
    },
    APT: {
      cause: 'The package manager could not install Tor. The message has its last line.',
      cure: 'Run `apt install tor` manually, and run the command again.',
    },
    TOR_RUNS_ALREADY: {
      cause: 'Another process already runs a Tor in this data directory.',
      cure: 'Stop that process first.',
    },
    TORRC_CHANGED: {
      cause: 'A torrc was changed by another program while the command was working on it.',
      cure: 'Run the command again.',
    },
    TORRC_FOREIGN: {
      cause: 'A torrc contains settings that `smp-server` did not write, and would be replaced.',
      cure: 'Choose another instance name with `--instance NAME`, or move that file away.',
    },
    TORRC_REFUSED: {
      cause: 'Tor does not accept a setting.',
      cure: 'Correct the line that the message names.',
    },
  },

  "Tor's control port": {
    TOR_AUTH_FAILED: {
      cause: 'Tor refused the authentication.',
      cure: 'Check that the cookie file or the password is that of this Tor.',
    },
    TOR_CONTROL_ABSENT: {
      cause: 'No Tor answers at the control port or socket.',
      cure: 'Start that Tor, for example with `systemctl start tor@smp`.',
    },
    TOR_CONTROL_CLOSED: {
      cause: 'Tor closed the control connection, usually because it was stopped.',
      cure: 'Start that Tor again.',
    },
    TOR_CONTROL_DENIED: {
      cause: "This user may not open Tor's control socket.",
      cure: 'Add the user to the group that owns the socket and restart the service.',
    },
    TOR_CONTROL_GARBLED: {
      cause: "What answers does not speak Tor's control protocol.",
      cure: 'Set `control` in `[TOR]` to the control socket, not to the SOCKS port.',
    },
    TOR_REFUSED: {
      cause: 'Tor refused a command. The message has its own words.',
      cure: 'Fix what they name; usually a setting in `[TOR]` does not fit this version of Tor.',
    },
    TOR_CONTROL_TIMEOUT: { cause: 'Tor did not answer in time.', cure: 'If this happens again, restart that Tor.' },
    TOR_COOKIE_MISSING: {
      cause: "Tor's authentication cookie does not exist.",
      cure: 'Restart that Tor; it creates the file when it starts. Of a Tor elsewhere, share the file and set `control_cookie` in `[TOR]`, or use a password.',
    },
    TOR_COOKIE_UNREADABLE: {
      cause: "Tor's authentication cookie cannot be read.",
      cure: 'Set `CookieAuthFileGroupReadable 1` in that torrc, and add the user to the group that owns the file.',
    },
    TOR_PASSWORD_NEEDED: {
      cause: 'Tor accepts only a password.',
      cure: 'Write it into a file of mode 0600, and set `control_password_file` in `[TOR]` to its path.',
    },
  },

  'Onion service': {
    ADOPT_LOSES: {
      cause:
        "The service to adopt has features that the relay's own onion service will not have; the message lists them.",
      cure: 'Add `--torrc-managed` to leave the service in its torrc. To adopt it anyway, pass `--yes-i-know`.',
    },
    ADOPT_PORT: {
      cause: 'The onion service does not lead to a port of this relay.',
      cure: 'Pass another directory, or import its key only: `smp-server tor setup --import-key FILE`.',
    },
    ADOPT_UNKNOWN: {
      cause: 'No torrc of this machine has an onion service with this directory.',
      cure: 'Pass the `HiddenServiceDir` as it stands in the torrc.',
    },
    INTRO_DEFENCE: {
      cause: 'Tor limits requests at the introduction points only for services in a torrc.',
      cure: 'Add `--torrc-managed`, or use `--pow` instead.',
    },
    KEY_IN_USE: {
      cause:
        'A torrc of this machine still has a service with this key; two Tors with one key take its address from each other.',
      cure: 'Adopt the service: `smp-server tor setup --adopt DIR`.',
    },
    MANAGED_HAS_KEY: {
      cause: 'The relay has the onion key, so the service cannot stay in a torrc.',
      cure: 'Leave `--torrc-managed` out, or run `smp-server tor remove` first.',
    },
    NEEDS_ROOT: {
      cause: 'The command changes files of the system, which only root may do.',
      cure: 'Run it with `sudo`, or let the relay run its own Tor: `smp-server tor setup --own`.',
    },
    NO_ONION_HOST: {
      cause: '`host` in `[TRANSPORT]` has no onion address, so there is nothing to check.',
      cure: 'Run `smp-server tor setup`, or check the public names with `--clearnet`.',
    },
    NO_PAGES: {
      cause: 'There is no web site that the onion address could lead to.',
      cure: 'Set `http` in `[WEB]`, for example to 8000.',
    },
    NO_PUBLIC_HOST: {
      cause: '`host` in `[TRANSPORT]` has no public name or IP address, so there is nothing to check.',
      cure: 'Add it to `host`.',
    },
    NO_SOCKS: {
      cause: 'No Tor of this machine has a SOCKS port.',
      cure: 'Set `socks_proxy` in `[PROXY]` to the SOCKS port of a Tor.',
    },
    ONION_COLLISION: {
      cause: 'This Tor already has a service with the same key, from its torrc or another program.',
      cure: 'Remove the `HiddenServiceDir` with this key from that torrc and restart Tor.',
    },
    ONION_KEY_ANONYMOUS: {
      cause: 'The key belongs to an anonymous onion service, and single-hop mode would reveal where that is.',
      cure: 'Use another key. If nothing has to stay hidden: `smp-server tor key import FILE --from-anonymous`.',
    },
    ONION_KEY_DAMAGED: {
      cause: 'The file is not the key of an onion service.',
      cure: 'Restore it from a backup; it cannot be made again, and the onion address depends on it.',
    },
    ONION_KEY_ELSEWHERE: {
      cause: 'With `mode = torrc` in `[TOR]`, Tor has the onion key and the relay does not.',
      cure: 'Back up `hs_ed25519_secret_key` in its `HiddenServiceDir`, or run `smp-server tor remove` first.',
    },
    ONION_KEY_EXISTS: {
      cause: 'An onion key appeared while the command was working.',
      cure: 'Run the command again.',
    },
    ONION_KEY_FORMAT: {
      cause: 'The file is not the secret key of a version 3 onion service.',
      cure: 'Pass the `hs_ed25519_secret_key` of a Tor, or a file with `ED25519-V3:…`.',
    },
    ONION_KEY_LOST: {
      cause: 'The onion key is missing although the onion address is in use.',
      cure: 'Restore it with `smp-server tor key restore FILE`, or remove the address from `host` and run `smp-server tor setup`.',
    },
    ONION_KEY_MISSING: {
      cause: 'This relay has no onion key.',
      cure: 'Run `smp-server tor setup` first.',
    },
    ONION_KEY_NAME: {
      cause: 'The address in a file beside the key is not the address of the key.',
      cure: 'Find out which of the two is right; without that file the key can be imported.',
    },
    ONION_KEY_OTHER: {
      cause: 'Another onion key is in the place where this one should go.',
      cure: 'Back it up with `smp-server tor key backup FILE`, and repeat the command with the option that the message names.',
    },
    ONION_KEY_SINGLE_HOP: {
      cause: 'The key belongs to a single-hop onion service, whose location may be known already.',
      cure: 'Use a new key for an anonymous service.',
    },
    ONION_KEY_UNREADABLE: {
      cause: 'The onion key cannot be read by this user.',
      cure: 'Run the command as the user that owns the relay.',
    },
    ONION_KEY_UNWRITABLE: {
      cause: 'The onion key cannot be written by this user.',
      cure: 'Run the command as the user that owns the configuration directory.',
    },
    ONION_MISMATCH: {
      cause: "Tor's onion address does not match the key.",
      cure: 'Restore the key from a backup, and run `smp-server tor setup` again.',
    },
    ONION_MODE_UNKNOWN: {
      cause: 'Nothing says whether the key belonged to a single-hop or an anonymous service.',
      cure: 'Pass `--mode single-hop` or `--mode anonymous`.',
    },
    ONION_NOT_MADE: {
      cause: 'Tor did not create the onion service in time.',
      cure: 'Look at its log with the `journalctl` command from the message.',
    },
    ONION_ONLY_CLEARNET: {
      cause: 'An anonymous service beside a public host reveals where it is.',
      cure: 'Remove the public host from `host`. To do this anyway, pass `--yes-i-know`.',
    },
    ONION_UNPUBLISHED: {
      cause: 'Tor failed to publish the descriptor of the onion service.',
      cure: 'The relay restarts Tor by itself; `smp-server tor status` shows the state.',
    },
    ONION_UNREADABLE: {
      cause: 'A file in the `HiddenServiceDir` cannot be read.',
      cure: 'Run the command as root.',
    },
    REMOVE_UNFINISHED: {
      cause: 'Not everything could be removed.',
      cure: 'Fix what the message names and run `smp-server tor remove` again; it continues with the rest.',
    },
    ROTATION_HOST: {
      cause: '`host` does not have the onion address that is to be replaced.',
      cure: 'Run `smp-server tor setup` first.',
    },
    ROTATION_NONE: {
      cause: 'No second onion address was prepared.',
      cure: 'Begin with `smp-server tor rotate`.',
    },
    ROTATION_UNDER_WAY: {
      cause: 'The onion address is being replaced.',
      cure: 'Run `smp-server tor rotate --finish` or `--abort` first.',
    },
    SETUP_JOURNAL: {
      cause: 'The record of what `tor setup` changed cannot be read or written.',
      cure: 'Run the command as the user that owns the state directory, or remove the named file.',
    },
    SETUP_UNFINISHED: {
      cause: 'A setup was interrupted, and something that it had changed could not be rolled back.',
      cure: 'Fix what the message names, and run `smp-server tor remove` to retry.',
    },
    SOCKS_PORT_TAKEN: {
      cause: 'Another program listens on the SOCKS port of the relay.',
      cure: 'Stop that program, or set `socks_port` in `[TOR]` to a free port.',
    },
    SOCKS_PORTS: {
      cause: 'All SOCKS ports that the relay would use are taken.',
      cure: 'Set `socks_port` in `[TOR]` to a free port.',
    },
    TOR_CLOCK_WRONG: {
      cause: 'The clock of this machine is wrong, so Tor cannot connect.',
      cure: 'Set the clock, for example with `timedatectl set-ntp true`.',
    },
    TOR_UPGRADED: {
      cause: 'The program of the own Tor was upgraded while it ran, and the relay restarts it.',
      cure: 'Nothing; the service is published again within seconds.',
    },
    TOR_MODE_OTHER: {
      cause: 'The onion service was set up in another mode, in which Tor would go on serving it.',
      cure: 'Run `smp-server tor remove --keep-key`, then `smp-server tor setup --import-key FILE` with the key it names.',
    },
    TOR_NOT_ANONYMOUS: {
      cause: 'This Tor runs in single-hop mode, which would reveal the anonymous service.',
      cure: 'Run `smp-server tor setup` again; it restarts that Tor.',
    },
    TOR_NOT_SINGLE_HOP: {
      cause: 'This Tor does not run in single-hop mode, which cannot be changed while it runs.',
      cure: 'Run `smp-server tor setup` again; it restarts that Tor.',
    },
    CLIENTS_DAMAGED: {
      cause: 'A line of `dashboard-clients` is not a name and a public key.',
      cure: 'Remove the line, and add the client again with `smp-server tor client add NAME`.',
    },
    CLIENT_NAME: {
      cause: 'A client of the dashboard cannot have this name, or there is none, or one already.',
      cure: '`smp-server tor client list` shows them.',
    },
    DASHBOARD_ONION: {
      cause: 'The dashboard cannot have an onion address of its own.',
      cure: 'Switch it on with `dashboard` in `[WEB]` and `metrics_port` in `[STORE_LOG]`; the relay must control its Tor, on this machine.',
    },
    TOR_TARGET: {
      cause: 'A Tor elsewhere does not know the host that `target` in `[TOR]` names.',
      cure: 'Set `target` to a name or address under which that Tor reaches this relay.',
    },
    TOR_POW: {
      cause: 'This version of Tor takes proof-of-work defences only in its torrc.',
      cure: 'Install tor 0.4.9 or later, or remove `pow` from `[TOR]`.',
    },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, ErrorEntry>>>>

type Areas = typeof ERROR_AREAS

/** Every code of an `AppError`. */
export type ErrorCode = { [Area in keyof Areas]: keyof Areas[Area] }[keyof Areas]

const CODES: ReadonlySet<string> = new Set(Object.values(ERROR_AREAS).flatMap((area) => Object.keys(area)))

export function isErrorCode(text: string): text is ErrorCode {
  return CODES.has(text)
}
