import sodium from 'sodium-native'
import { useSecretbox } from '../../client/box.ts'

/** Clients with libsodium's boxes, so that they need less of the processor than the relay. */
export const useSodium = (): void =>
  useSecretbox({
    seal: (key, nonce, plain) => {
      const box = Buffer.allocUnsafe(plain.length + 16)
      sodium.crypto_secretbox_easy(box, plain, nonce, key)
      return box
    },
    open: (key, nonce, box) => {
      const plain = Buffer.allocUnsafe(box.length - 16)
      if (!sodium.crypto_secretbox_open_easy(plain, box, nonce, key)) throw new Error('a box does not open')
      return plain
    },
  })
