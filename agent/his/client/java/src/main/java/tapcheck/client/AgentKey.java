package tapcheck.client;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.util.Base64;

/**
 * The agent's public key (P-256), as it was learnt when the program was installed or as the hospital's IT gives it. A program that knows
 * it never sends its token to another program that took the agent's port first.
 */
public final class AgentKey {
  private final PublicKey key;

  /** Takes both coordinates as a JWK has them: 32 bytes, base64url without padding. Throws {@link IllegalArgumentException}. */
  public AgentKey(String x, String y) {
    try {
      AlgorithmParameters p256 = AlgorithmParameters.getInstance("EC");
      p256.init(new ECGenParameterSpec("secp256r1"));
      ECPoint point = new ECPoint(coordinate(x), coordinate(y));
      key = KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, p256.getParameterSpec(ECParameterSpec.class)));
    } catch (GeneralSecurityException e) {
      throw new IllegalArgumentException("the key is no point of P-256", e);
    }
  }

  private static BigInteger coordinate(String s) {
    byte[] b = Base64.getUrlDecoder().decode(s);
    if (b.length != 32) {
      throw new IllegalArgumentException("a coordinate has 32 bytes");
    }
    return new BigInteger(1, b);
  }

  /** Whether r || s (64 bytes) is this key's ES256 signature of the message. */
  public boolean verify(byte[] message, byte[] signature) {
    try {
      Signature s = Signature.getInstance("SHA256withECDSAinP1363Format");
      s.initVerify(key);
      s.update(message);
      return signature.length == 64 && s.verify(signature);
    } catch (GeneralSecurityException e) {
      return false;
    }
  }

  /**
   * Checks what discovery or agent.prove answered: the port that the client is connected to, and the signature over tag || nonce ||
   * challenge || port || instance id. challenge is empty for discovery.
   */
  boolean proves(Json proof, String tag, byte[] nonce, byte[] challenge, int port) {
    String instance = proof.get("instanceId").text();
    String signature = proof.get("signature").text();
    if (!"ES256".equals(proof.get("algorithm").text()) || proof.get("port").number() != port || instance == null || signature == null) {
      return false;
    }
    byte[] begin = (tag + "\0").getBytes(StandardCharsets.UTF_8);
    byte[] id = instance.getBytes(StandardCharsets.UTF_8);
    byte[] message =
        ByteBuffer.allocate(begin.length + nonce.length + challenge.length + 2 + id.length)
            .put(begin).put(nonce).put(challenge).putShort((short) port).put(id).array();
    try {
      return verify(message, Base64.getUrlDecoder().decode(signature));
    } catch (IllegalArgumentException e) {
      return false;
    }
  }
}
