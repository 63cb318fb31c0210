using System;
using System.Text;
using Tapcheck.Client;

/// <summary>Answers what a test asks on standard input, a line each: "key X Y MESSAGE SIGNATURE" (base64) or "json TEXT" (base64).</summary>
static class Check
{
    static void Main()
    {
        string line;
        while ((line = Console.ReadLine()) != null)
        {
            var w = line.Split(' ');
            try
            {
                if (w[0] == "key") Console.WriteLine(new AgentKey(w[1], w[2]).Verify(Convert.FromBase64String(w[3]), Convert.FromBase64String(w[4])) ? "true" : "false");
                else Console.WriteLine(JsonValue.Parse(Encoding.UTF8.GetString(Convert.FromBase64String(w[1])))["a"].Text ?? "absent");
            }
            catch (FormatException)
            {
                Console.WriteLine("malformed");
            }
        }
    }
}
