import { describe, expect, it } from 'vitest'
import { ConnectionStringError, parseConnectionString } from '../../../../src/store/postgres/connection-string.ts'

const parse = (text: string, environment: NodeJS.ProcessEnv = {}) => {
  const { hosts, user, database, parameters } = parseConnectionString(text, environment)
  return {
    hosts: hosts.map(({ host, port }) => `${host} ${port}`),
    user,
    database,
    parameters: Object.fromEntries(parameters),
  }
}
const socket = '/var/run/postgresql 5432'

describe('a connection string', () => {
  it("of upstream's INI file means the socket of this machine", () => {
    expect(parse('postgresql://smp@/smp_server_store')).toMatchObject({
      hosts: [socket],
      user: 'smp',
      database: 'smp_server_store',
    })
  })

  it.each([
    [
      'postgres://u:p%40ss@db.example:6432/d?sslmode=require',
      ['db.example 6432'],
      { password: 'p@ss', sslmode: 'require' },
    ],
    ['postgresql://u@db1,db2:5433/d', ['db1 5432', 'db2 5433'], { host: 'db1,db2' }],
    ['postgresql://u@[::1]:5433/d', ['::1 5433'], {}],
    ['postgresql://u@%2Frun%2Fpostgresql:5433/d', ['/run/postgresql 5433'], {}],
    ['postgresql:///d?host=/tmp/x&user=u', ['/tmp/x 5432'], {}],
    ['postgresql://u@h/d?host=other&port=1', ['other 1'], {}],
    ['host=/run/postgresql dbname=d user=u', ['/run/postgresql 5432'], {}],
    ["host = 'db.example'  user=u dbname=d password='it''s'", undefined, {}],
    [
      "host=db user=u dbname=d password='a b\\'c\\\\' passfile=/etc/pass",
      ['db 5432'],
      { password: "a b'c\\", passfile: '/etc/pass' },
    ],
    ['host=a,b port=1,2 user=u dbname=d', ['a 1', 'b 2'], {}],
    ['host=a,b port=7 user=u dbname=d target_session_attrs=any', ['a 7', 'b 7'], { target_session_attrs: 'any' }],
  ])('is read as libpq reads it: %s', (text, hosts, parameters) => {
    if (hosts === undefined) expect(() => parse(text)).toThrow(ConnectionStringError)
    else expect(parse(text)).toMatchObject({ hosts, user: 'u', database: 'd', parameters })
  })

  it('takes what it leaves out from the environment, and from the name of the user', () => {
    const environment = { PGHOST: 'db', PGPORT: '7', PGUSER: 'u', PGPASSWORD: 'secret', PGDATABASE: '' }
    expect(parse('dbname=d', environment)).toMatchObject({
      hosts: ['db 7'],
      user: 'u',
      parameters: { password: 'secret' },
    })
    expect(parse('user=somebody').database).toBe('somebody')
    expect(parse('host=here', environment).hosts).toEqual(['here 7'])
  })

  it.each([
    ['postgresql://u@h:0/d', '"0" is no port'],
    ['postgresql://u@h:99999/d', '"99999" is no port'],
    ['host=h port=x', '"x" is no port'],
    ['host=a,b port=1,2,3', '3 ports do not match 2 hosts'],
    ['postgresql://u@h/d?sslmode', 'has no value'],
    ['postgresql://u@h/d?colour=red', 'no parameter "colour"'],
    ['colour=red', 'no parameter "colour"'],
    ['smp_server_store', 'neither a postgresql:// URI nor'],
    ['mysql://u@h/d', 'neither a postgresql:// URI nor'],
    ['host=h user', 'neither a postgresql:// URI nor'],
    ['postgresql://u:%zz@h/d', 'not followed by two hexadecimal digits'],
    ['', undefined],
  ])('that cannot be read is refused with the reason: %s', (text, reason) => {
    if (reason === undefined) expect(parse(text).hosts).toEqual([socket])
    else expect(() => parse(text)).toThrow(reason)
  })

  it('is refused without repeating the password in it', () => {
    for (const text of [
      'host=h password=hunter2 port=x',
      'postgresql://u:hunter2@h:x/d',
      'hunter2',
      "password='hunter2",
    ]) {
      expect(() => parse(text)).toThrow(ConnectionStringError)
      expect(() => parse(text)).not.toThrow('hunter2')
    }
  })
})
