using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Tapcheck.Client;

/// <summary>
/// One check-in from a console: TAPCHECK_TOKEN holds the token, TAPCHECK_KEY_X and TAPCHECK_KEY_Y the agent's key where it is
/// known. Arguments: the ports to try, and the card's number; "sim" before the number puts that person's simulated card on a reader.
/// </summary>
static class ConsoleSample
{
    static int Main(string[] args)
    {
        try
        {
            RunAsync(args).GetAwaiter().GetResult();
            return 0;
        }
        catch (TapcheckException e)
        {
            Console.WriteLine("error " + e.Id + " retriable=" + e.Retriable + " | " + e.Text + " | " + e.Next);
            return 1;
        }
    }

    internal static TapcheckOptions Options(string ports)
    {
        var x = Environment.GetEnvironmentVariable("TAPCHECK_KEY_X");
        return new TapcheckOptions
        {
            Token = Environment.GetEnvironmentVariable("TAPCHECK_TOKEN"),
            Key = string.IsNullOrEmpty(x) ? null : new AgentKey(x, Environment.GetEnvironmentVariable("TAPCHECK_KEY_Y")),
            Ports = Array.ConvertAll(ports.Split(','), int.Parse),
            Name = "C# sample",
            Operator = "lt.hoa",
        };
    }

    static async Task RunAsync(string[] args)
    {
        using (var agent = await TapcheckClient.ConnectAsync(Options(args[0]), CancellationToken.None))
        {
            Console.WriteLine("connected simulator=" + agent.Hello["simulator"].IsTrue + " read=" + agent.Session["rights"]["read"].IsTrue);
            if (args[1] == "sim")
            {
                await agent.CallAsync("sim.insert", new Dictionary<string, object> { { "persona", args[2] } }, CancellationToken.None);
            }
            var result = await agent.CheckinAsync(
                new Dictionary<string, object> { { "key", new Dictionary<string, object> { { "number", args[args.Length - 1] } } } },
                (method, data) => Console.WriteLine(method + " " + (data["phase"].Text ?? data["need"].Text ?? data["state"].Text)),
                CancellationToken.None);
            Console.WriteLine("name " + result["identity"]["fullName"].Text);
            Console.WriteLine("chip " + result["verdicts"]["passiveAuthentication"]["status"].Text);
            Console.WriteLine("insurance " + result["eligibility"]["state"].Text);
            Console.WriteLine("portrait " + (result["portrait"]["data"].Text ?? "").Length);
            foreach (var step in result["next"]) Console.WriteLine("next " + step["id"].Text + " " + step["text"].Text);
        }
    }
}
