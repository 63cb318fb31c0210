using System;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace Tapcheck.Client
{
    /// <summary>
    /// The agent's public key (P-256), as it was learnt when the program was paired or as the hospital's IT gives it. A
    /// program that knows it never sends its token to another program that took the agent's port first.
    /// </summary>
    /// <remarks>
    /// The signature is checked here and not by the framework, because not everything that runs netstandard2.0 can do it
    /// (.NET Framework before 4.7, Mono). Only public values are worked on, so the arithmetic need not hide its time.
    /// Source: FIPS 186-5 section 6.4.2; the curve is SP 800-186 section 3.2.1.3.
    /// </remarks>
    public sealed class AgentKey
    {
        static readonly BigInteger P = Hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
        static readonly BigInteger N = Hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
        static readonly BigInteger B = Hex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b");
        static readonly Point G = new Point(
            Hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
            Hex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"));

        readonly Point q;

        /// <summary>Takes both coordinates as a JWK has them: 32 bytes, base64url. Throws <see cref="FormatException"/>.</summary>
        public AgentKey(string x, string y)
        {
            var px = Base64Url.Decode(x);
            var py = Base64Url.Decode(y);
            if (px.Length != 32 || py.Length != 32) throw new FormatException("a coordinate has 32 bytes");
            q = new Point(Unsigned(px, 0, 32), Unsigned(py, 0, 32));
            if (q.X >= P || q.Y >= P || Mod(q.Y * q.Y - (q.X * q.X * q.X - 3 * q.X + B)) != 0) throw new FormatException("the key is no point of P-256");
        }

        /// <summary>Whether r || s (64 bytes) is this key's ES256 signature of the message.</summary>
        public bool Verify(byte[] message, byte[] signature)
        {
            if (signature == null || signature.Length != 64) return false;
            var r = Unsigned(signature, 0, 32);
            var s = Unsigned(signature, 32, 32);
            if (r.IsZero || s.IsZero || r >= N || s >= N) return false;
            BigInteger e;
            using (var sha = SHA256.Create()) e = Unsigned(sha.ComputeHash(message), 0, 32);
            var w = BigInteger.ModPow(s, N - 2, N);
            var sum = Add(Multiply(G, e * w % N), Multiply(q, r * w % N));
            return sum != null && sum.X % N == r;
        }

        /// <summary>
        /// Checks what discovery or agent.prove answered: the key, the port that the client is connected to, and the signature over
        /// tag || nonce || challenge || port || instance id. challenge is empty for discovery.
        /// </summary>
        internal bool Proves(JsonValue proof, string tag, byte[] nonce, byte[] challenge, int port)
        {
            if (proof["algorithm"].Text != "ES256" || proof["port"].Number != port || proof["instanceId"].Text == null) return false;
            var instance = Encoding.UTF8.GetBytes(proof["instanceId"].Text);
            var begin = Encoding.UTF8.GetBytes(tag + "\0");
            var message = new byte[begin.Length + nonce.Length + challenge.Length + 2 + instance.Length];
            var at = 0;
            foreach (var part in new[] { begin, nonce, challenge, new[] { (byte)(port >> 8), (byte)port }, instance })
            {
                Buffer.BlockCopy(part, 0, message, at, part.Length);
                at += part.Length;
            }
            try
            {
                return Verify(message, Base64Url.Decode(proof["signature"].Text ?? ""));
            }
            catch (FormatException)
            {
                return false;
            }
        }

        sealed class Point
        {
            internal readonly BigInteger X, Y;
            internal Point(BigInteger x, BigInteger y) { X = x; Y = y; }
        }

        static BigInteger Hex(string s)
        {
            return BigInteger.Parse("0" + s, System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture);
        }

        static BigInteger Unsigned(byte[] bigEndian, int at, int n)
        {
            var little = new byte[n + 1]; // the last byte stays 0: never negative
            for (var i = 0; i < n; i++) little[n - 1 - i] = bigEndian[at + i];
            return new BigInteger(little);
        }

        static BigInteger Mod(BigInteger v)
        {
            v %= P;
            return v.Sign < 0 ? v + P : v;
        }

        // null is the point at infinity.
        static Point Add(Point a, Point b)
        {
            if (a == null) return b;
            if (b == null) return a;
            BigInteger slope;
            if (a.X == b.X)
            {
                if (a.Y != b.Y || a.Y.IsZero) return null;
                slope = Mod((3 * a.X * a.X - 3) * BigInteger.ModPow(2 * a.Y, P - 2, P));
            }
            else
            {
                slope = Mod((b.Y - a.Y) * BigInteger.ModPow(Mod(b.X - a.X), P - 2, P));
            }
            var x = Mod(slope * slope - a.X - b.X);
            return new Point(x, Mod(slope * (a.X - x) - a.Y));
        }

        static Point Multiply(Point p, BigInteger k)
        {
            Point sum = null;
            for (var bits = k.ToByteArray().Length * 8 - 1; bits >= 0; bits--)
            {
                sum = Add(sum, sum);
                if (!((k >> bits) & BigInteger.One).IsZero) sum = Add(sum, p);
            }
            return sum;
        }
    }

    /// <summary>RFC 4648 section 5, without padding.</summary>
    static class Base64Url
    {
        internal static string Encode(byte[] b) { return Convert.ToBase64String(b).TrimEnd('=').Replace('+', '-').Replace('/', '_'); }

        internal static byte[] Decode(string s)
        {
            if (s.IndexOfAny(new[] { '+', '/', '=', ' ', '\r', '\n', '\t' }) >= 0) throw new FormatException("not base64url");
            return Convert.FromBase64String(s.Replace('-', '+').Replace('_', '/') + new string('=', (4 - s.Length % 4) % 4));
        }
    }
}
